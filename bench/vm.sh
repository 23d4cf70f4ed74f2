#!/bin/sh
# make bench-vm: how a guest of 4 GiB is backed up and brought back by us, by
# zstd | age, by restic and by borg.
#
#   BENCH_QUICK=1   256 MiB instead of 4 GiB
#   BENCH_STRICT=1  fails where a result is not as expected; on a busy machine some will not be
#   BENCH_DIR=…     where it makes the folder that it works in, 25 GB large; default: ${TMPDIR:-/var/tmp}
set -eu

cd "$(dirname "$0")"
PATH=$PATH:/usr/sbin:/sbin
for program in zstd restic borg mkfs.ext4; do
	command -v "$program" >/dev/null || {
		echo "bench: $program is missing; on Debian: apt-get install zstd restic borgbackup e2fsprogs" >&2
		exit 1
	}
done

dir=$(mktemp -d "${BENCH_DIR:-${TMPDIR:-/var/tmp}}/railiance-bench.XXXXXX")
trap 'rm -rf "$dir"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

mkdir "$dir/programs" "$dir/work"
(cd .. && CGO_ENABLED=0 go build -trimpath -ldflags=-w -o "$dir/programs/" ./bench \
	./tools/internal/guestbackup/guestbench ./tools/internal/vma/vmatest/mkvma filippo.io/age/cmd/age)

"$dir/programs/bench" -guests -programs "$dir/programs" -dir "$dir/work" \
	${BENCH_QUICK:+-quick} ${BENCH_STRICT:+-strict}
