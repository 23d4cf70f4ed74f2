#!/bin/sh
# A k3s that has its snapshot ready: both sides of the comparison get it for
# the price of a hard link, so that what is measured is what comes after.
# $SNAPSHOT is the file, $DATA the data directory.
set -eu
dir=$DATA/server/db/snapshots
case "$1 ${2:-}" in
"--version ")
	echo "k3s version v1.36.3+k3s1 (00000000)"
	echo "go version go1.26"
	;;
"etcd-snapshot list") ;;
"etcd-snapshot save")
	name=on-demand
	while [ $# -gt 0 ]; do
		[ "$1" != --name ] || name=$2
		shift
	done
	mkdir -p "$dir"
	ln "$SNAPSHOT" "$dir/$name-bench-1"
	;;
"etcd-snapshot delete")
	for last; do :; done
	rm "$dir/$last"
	;;
*)
	echo "k3s: unknown command: $*" >&2
	exit 1
	;;
esac
