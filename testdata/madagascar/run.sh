#!/bin/sh
# make -C layers/madagascar demo: builds what is missing and shows the main job
# of the guests, in a folder that is removed afterwards.
#
#   DEMO_DIR=…        the folder, which then stays; it must be empty or not exist
#   REAL_PARTS=…      where versitygw is, or is built to
#   DEMO_BUILT=…      a folder with all programs, built before
#   DEMO_SABOTAGE=…   breaks a step, which must then fail: see sabotage.go
set -eu

here=$(cd "$(dirname "$0")" && pwd)
parts=${REAL_PARTS:-${XDG_CACHE_HOME:-$HOME/.cache}/railiance/real}
PATH=$PATH:/usr/sbin:/sbin

for pair in ssh:openssh-client sshd:openssh-server apache2:apache2-bin age:age zstd:zstd; do
	command -v "${pair%%:*}" >/dev/null || {
		echo "demo: ${pair%%:*} is missing; on Debian: apt-get install ${pair#*:}" >&2
		exit 1
	}
done

if [ -n "${DEMO_DIR:-}" ]; then
	dir=$DEMO_DIR
	mkdir -p "$dir"
	if [ -n "$(ls -A "$dir")" ]; then
		echo "demo: $dir is not empty" >&2
		exit 2
	fi
else
	dir=$(mktemp -d "${TMPDIR:-/tmp}/railiance-demo.XXXXXX")
	trap 'chmod -R u+w "$dir" && rm -rf "$dir"' EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
fi
dir=$(cd "$dir" && pwd)
# As root, Apache becomes www-data, and has to reach its files below.
chmod 711 "$dir"

if [ -z "${DEMO_BUILT:-}" ]; then
	echo "== 0. The parts: an S3 service, and our executables"
	sh "$here/build.sh" "$dir/built"
	DEMO_BUILT=$dir/built
fi
echo "   everything happens in $dir"

# Seconds that the fakes are patient, such as those a guest needs to boot, are
# short. Drafts and sockets of ssh go where they are seen when they are left.
mkdir -m 700 "$dir/tmp"
PVE_SECOND=50ms TMPDIR=$dir/tmp "$DEMO_BUILT/pveworld" "$dir/cluster" -- "$DEMO_BUILT/madagascar" -parts "$parts" -bin "$DEMO_BUILT" -dir "$dir"
