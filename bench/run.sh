#!/bin/sh
# make bench: builds what is missing and prints the comparison.
#
#   BENCH_QUICK=1   leaves out the 2 GB snapshot and the 1,000 releases
#   BENCH_STRICT=1  fails where a result is not as expected; on a busy machine some will not be
#   BENCH_DIR=…     where it makes the folder that it works in, 8 GB large; default: ${TMPDIR:-/var/tmp}
#   REAL_PARTS=…    where the real k3s, helm and so on are, or are built to
set -eu

cd "$(dirname "$0")"
parts=${REAL_PARTS:-${XDG_CACHE_HOME:-$HOME/.cache}/railiance/real}
sh ../testdata/real/build.sh "$parts" >&2

dir=$(mktemp -d "${BENCH_DIR:-${TMPDIR:-/var/tmp}}/railiance-bench.XXXXXX")
trap 'rm -rf "$dir"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# Ours as `make build` makes them; age of the version that they seal with.
mkdir "$dir/programs"
make -s -C .. BIN="$dir/programs" build
(cd .. && CGO_ENABLED=0 go build -o "$dir/programs/" ./bench ./bench/mksnapshot ./bench/mkreleases filippo.io/age/cmd/age)

"$dir/programs/bench" -programs "$dir/programs" -parts "$parts" -dir "$dir" \
	${BENCH_QUICK:+-quick} ${BENCH_STRICT:+-strict}
