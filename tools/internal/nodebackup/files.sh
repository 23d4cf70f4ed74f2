# Writes what makes a node the node that it is to standard output, as one tar:
# the files of /etc/pve as ./NAME, through the file system that Proxmox shows
# them in; then the given paths; then a copy of the database behind /etc/pve as
# config.db. Arguments: the largest file to take, in KiB; paths from /. The exit
# status is tar's, where 1 says that something changed under its hands, or above
# 2.
umask 077
PATH=$PATH:/usr/sbin:/sbin
cd "${RAILIANCE_ROOT:-/}" || exit 3
root=$PWD
largest=$1
shift

if ! [ -d etc/pve/nodes ]; then
	echo "railiance: /etc/pve is not mounted: is pve-cluster running?" >&2
	exit 4
fi

# The copy lies in memory, and in a folder of our own. A run that was killed
# leaves it; one that lives holds the lock in it.
for old in run/railiance-host.*; do
	[ -d "$old" ] && [ ! -L "$old" ] && [ -O "$old" ] && [ -e "$old/.lock" ] || continue
	flock -n "$old/.lock" rm -rf -- "$old" && echo "railiance: removed /$old, left by a run that was killed" >&2
done
db=var/lib/pve-cluster/config.db dir='' copy=''
trap '[ -z "$dir" ] || rm -rf -- "$root/$dir"' EXIT
trap 'exit 5' HUP INT TERM PIPE
without() { echo "railiance: without $db: $1" >&2; }
if ! [ -e "$db" ]; then
	without "it is not there"
elif ! command -v sqlite3 >/dev/null; then
	without "sqlite3 is not installed"
elif ! dir=$(mktemp -d run/railiance-host.XXXXXXXX); then
	without "no folder for a copy"
elif exec 9>"$dir/.lock" && flock -n 9 &&
	timeout -k 5 60 sqlite3 -batch -init /dev/null -readonly -cmd '.timeout 10000' "$db" ".backup '$dir/config.db'" </dev/null >&2 &&
	[ -s "$dir/config.db" ]; then
	copy=config.db
else
	without "it could not be copied"
fi

# What is not there is told by its absence.
for path; do
	shift
	{ [ -e "$path" ] || [ -L "$path" ]; } && set -- "$@" "$path"
done

# find FOLDER PATH… prints what is too large, for tar to leave it out.
large() {
	cd "$root/$1" || return
	shift
	find "$@" -type f -size +"${largest}k"
}
left=$(
	large etc/pve .
	large . "$@" | grep -v '^etc/pve/'
)
[ -z "$left" ] || printf '%s\n' "$left" | sed "s,^\./,etc/pve/,; s,^,railiance: larger than $largest KiB and left out: ," >&2

# What Proxmox makes up anew at each look is no setting.
set -- -C "$root/etc/pve" . -C "$root" "$@"
for made in .clusterlog .debug .rrd .version; do
	set -- --exclude="./$made" "$@"
done
[ -z "$copy" ] || set -- "$@" -C "$root/$dir" "$copy"
printf '%s\n' "$left" | timeout -k 5 900 tar --create --file=- --format=posix --hard-dereference \
	--warning=no-file-ignored --anchored --no-wildcards --exclude-from=- --exclude=etc/pve "$@"
