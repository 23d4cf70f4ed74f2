#!/bin/sh
# make -C layers/madagascar check-demo: builds what is needed and tells the story
# of three faults and a mistake on a ring of three nodes. Needs root; leaves
# nothing behind.
set -eu

PATH=$PATH:/usr/sbin:/sbin
[ "$(id -u)" = 0 ] || { echo "check-demo: needs root, for network namespaces" >&2; exit 2; }
for pair in go:golang ip:iproute2 nft:nftables sshd:openssh-server ssh:openssh-client pkill:procps ping:iputils-ping ifquery:ifupdown2 udevadm:udev; do
	command -v "${pair%%:*}" >/dev/null || {
		echo "check-demo: ${pair%%:*} is missing; on Debian: apt-get install ${pair#*:}" >&2
		exit 2
	}
done
# ifupdown has an ifquery, too.
command -v ifreload >/dev/null || { echo "check-demo: ifreload is missing; on Debian: apt-get install ifupdown2" >&2; exit 2; }

root=$(cd "$(dirname "$0")/../.." && pwd)
dir=$(mktemp -d "${TMPDIR:-/tmp}/railiance-check-demo.XXXXXX")
trap 'rm -rf "$dir"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
mkdir "$dir/bin"
cd "$root"
CGO_ENABLED=0 go build -buildvcs=false -o "$dir/bin/" ./tools/cmd/tb-check ./tools/cmd/tb-deploy ./tools/internal/tbtest/tbdemo
"$dir/bin/tbdemo" -bin "$dir/bin" -layer "$root/layers/madagascar" -dir "$dir"
