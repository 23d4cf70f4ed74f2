#!/bin/sh
# make demo: builds what is missing and runs the demo in a folder of its own.
#
#   DEMO_DIR=…        the folder; it must be empty or not exist; default: a new one in ${TMPDIR:-/tmp}
#   REAL_PARTS=…      where the real k3s, helm and so on are, or are built to
#   DEMO_SABOTAGE=…   breaks a step, which must then fail: see sabotage.go
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
parts=${REAL_PARTS:-${XDG_CACHE_HOME:-$HOME/.cache}/railiance/real}

echo "== 0. The parts: k3s stand-in, Helm, and our executables"
sh "$root/testdata/real/build.sh" "$parts"

if [ -n "${DEMO_DIR:-}" ]; then
	dir=$DEMO_DIR
	mkdir -p "$dir"
	if [ -n "$(ls -A "$dir")" ]; then
		echo "demo: $dir is not empty" >&2
		exit 2
	fi
else
	dir=$(mktemp -d "${TMPDIR:-/tmp}/railiance-demo.XXXXXX")
fi
dir=$(cd "$dir" && pwd)
echo "   everything happens in $dir"

mkdir -p "$dir/built"
cd "$root"
CGO_ENABLED=0 go build -buildvcs=false -o "$dir/built/" ./tools/cmd/... ./testdata/demo

status=0
"$dir/built/demo" -parts "$parts" -bin "$dir/built" -dir "$dir" || status=$?
echo "demo: all of it is left in $dir to look around; rm -rf '$dir' removes it"
exit $status
