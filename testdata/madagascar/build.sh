#!/bin/sh
# Builds what the demo of the guests runs, into a folder: build.sh DIR
set -eu

root=$(cd "$(dirname "$0")/../.." && pwd)
mkdir -p "$1"
dir=$(cd "$1" && pwd)
sh "$root/testdata/real/build.sh" "${REAL_PARTS:-${XDG_CACHE_HOME:-$HOME/.cache}/railiance/real}" versitygw
export CGO_ENABLED=0
cd "$root"
go build -buildvcs=false -o "$dir/" ./tools/cmd/pve-vm-backup ./tools/internal/pvetest/pveworld ./testdata/madagascar
cd tools/cmd/railiance-secrets
go build -buildvcs=false -o "$dir/" . ./sealed/sopsseal
