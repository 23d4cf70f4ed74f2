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
trap 'exit 130' INT TERM HUP
cd "$root"
CGO_ENABLED=0 go build -buildvcs=false -o "$work/bin/" ./tools/cmd/...
# What an ordinary user runs must not lie below a folder that is root's alone.
mkdir "$work/public"
chmod 711 "$work"
chmod 755 "$work/public"
for part in k3s systemctl helm3 helm4; do
	ln "$parts/$part" "$work/public/" 2>/dev/null || cp "$parts/$part" "$work/public/"
done
cp "$work"/bin/* "$work/public/"
CGO_ENABLED=0 go build -buildvcs=false -o "$work/public/" ./testdata/demo
go test -c -tags e2e -o "$work/e2e.test" ./testdata/e2e

export E2E_PARTS="$parts" E2E_BIN="$work/bin" E2E_TREE="$root" E2E_PUBLIC="$work/public" MUST_RUN=1
cd "$here"
"$work/e2e.test" -test.v -test.parallel "${E2E_PARALLEL:-3}" -test.timeout 45m -test.run "${E2E_RUN:-.}"
