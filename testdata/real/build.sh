#!/bin/sh
# Builds the real programs that the tests run against, into DIR:
#   k3s systemctl etcdutl   from testdata/k3s
#   helm3 helm4             from testdata/real/helm
#   versitygw               from testdata/real/versitygw, an S3 service
#
# usage: build.sh [DIR [PROGRAM…]]
#
# DIR defaults to ${XDG_CACHE_HOME:-$HOME/.cache}/railiance/real; without names
# all of them are built.
#
# It needs Go, a C compiler (or none: SQLite is then the one written in Go) and
# the module proxy. What is up to date is not built again; "up to date" is told
# by a hash of the module's files, the Go version and this script.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
dir=${1:-${XDG_CACHE_HOME:-${HOME:?give DIR or set HOME}/.cache}/railiance/real}
mkdir -p "$dir"
dir=$(cd "$dir" && pwd)
[ $# = 0 ] || shift
wanted=" ${*:-k3s systemctl etcdutl helm3 helm4 versitygw} "

k3s_version=v1.36.3+k3s1
kube=k8s.io/component-base/version
kube_flags="-X $kube.gitVersion=$k3s_version -X $kube.gitMajor=1 -X $kube.gitMinor=36 -X $kube.gitTreeState=clean"

# stamp FOLDER: what a binary built from FOLDER depends on
stamp() {
	{
		cat "$here/build.sh"
		go version
		go env CGO_ENABLED
		cd "$1"
		find . -type f \( -name '*.go' ! -name '*_test.go' -o -name go.mod -o -name go.sum \) | LC_ALL=C sort |
			while read -r f; do
				echo "$f"
				cat "$f"
			done
	} | sha256sum | cut -d' ' -f1
}

# build NAME FOLDER PACKAGE LDFLAGS
build() {
	case $wanted in
	*" $1 "*) ;;
	*) return 0 ;;
	esac
	want=$(stamp "$2")
	if [ -x "$dir/$1" ] && [ "$(cat "$dir/.$1.stamp" 2>/dev/null)" = "$want" ]; then
		echo "$1: up to date"
		return
	fi
	echo "$1: building from $2 ..."
	start=$(date +%s)
	# Into another name first: a build that is cut off leaves the old one whole.
	(cd "$2" && go build -buildvcs=false -ldflags="-s -w $4" -o "$dir/.$1.$$" "$3")
	mv "$dir/.$1.$$" "$dir/$1"
	echo "$want" >"$dir/.$1.stamp"
	echo "$1: built in $(($(date +%s) - start)) s, $(($(wc -c <"$dir/$1") / 1000000)) MB"
}

build systemctl "$here/../k3s" ./systemctl ""
build k3s "$here/../k3s" . "$kube_flags"
build etcdutl "$here/../k3s" go.etcd.io/etcd/etcdutl/v3 ""
build helm3 "$here/helm" helm.sh/helm/v3/cmd/helm "-X helm.sh/helm/v3/internal/version.version=v3.22.0"
build helm4 "$here/helm" helm.sh/helm/v4/cmd/helm "-X helm.sh/helm/v4/internal/version.version=v4.3.1"
build versitygw "$here/versitygw" github.com/versity/versitygw/cmd/versitygw ""
echo "ready in $dir"
