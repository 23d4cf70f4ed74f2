#!/bin/sh
# make e2e: builds the real parts and our executables, and runs every disaster.
# It must be root, for each scenario has namespaces of its own.
#
#   REAL_PARTS=…   where the real k3s, helm and so on are, or are built to
#   E2E_RUN=…      only the tests that match
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
parts=${REAL_PARTS:-${XDG_CACHE_HOME:-$HOME/.cache}/railiance/real}

if [ "$(id -u)" != 0 ]; then
	echo "e2e: needs root: each scenario is a machine of its own" >&2
	exit 2
fi
sh "$root/testdata/real/build.sh" "$parts"

work=$(mktemp -d "${TMPDIR:-/tmp}/railiance-e2e.XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$root"
CGO_ENABLED=0 go build -o "$work/bin/" ./tools/cmd/...
go test -c -tags e2e -o "$work/e2e.test" ./testdata/e2e

export E2E_PARTS="$parts" E2E_BIN="$work/bin" E2E_TREE="$root" MUST_RUN=1
cd "$here"
"$work/e2e.test" -test.v -test.parallel "${E2E_PARALLEL:-2}" -test.timeout 20m -test.run "${E2E_RUN:-.}"
