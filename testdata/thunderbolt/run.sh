#!/bin/sh
# make -C layers/madagascar check-demo: builds what is needed and tells the story
# of three faults and a mistake on a ring of three nodes. Needs root; leaves
# nothing behind.
set -eu

root=$(cd "$(dirname "$0")/../.." && pwd)
dir=$(mktemp -d "${TMPDIR:-/tmp}/railiance-check-demo.XXXXXX")
trap 'rm -rf "$dir"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
mkdir "$dir/bin"
cd "$root"
CGO_ENABLED=0 go build -buildvcs=false -o "$dir/bin/" ./tools/cmd/tb-check ./tools/cmd/tb-deploy ./tools/internal/tbtest/tbdemo
"$dir/bin/tbdemo" -bin "$dir/bin" -layer "$root/layers/madagascar" -dir "$dir"
