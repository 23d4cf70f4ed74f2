# begin WINDOW BRIDGE MEMBER...: takes the files from standard input, keeps what
# they will replace, and starts the timer that undoes it all. Nothing that the
# node lives by is changed yet.
set -eu
window=$1 bridge=$2
shift 2
mkdir -p "$D"
chmod 700 "$D"
exec 9>>"$D/lock"
flock -n 9 || { echo "another deployment is going on, or waits for its confirmation" >&2; exit 75; }
if [ -e "$P" ]; then
	# Whoever began it did not come to its end, nor did the timer: the node was
	# switched off in between.
	if [ -e "$P/confirmed" ]; then
		exec 9>&-
		sh "$P/confirm.sh" >&2
	else
		sh "$P/undo.sh" >&2
		rm -rf "$D/undone"
		mv "$P" "$D/undone"
	fi
	exit 76
fi
W=$D/draft
rm -rf "$W"
trap 'rm -rf "$W" "$U" "$UW"' EXIT
mkdir -p "$W/new" "$W/old"
n=0
: >"$W/list"
while read -r kind mode path data; do
	case $kind in
	script) printf %s "$data" | base64 -d >"$W/$path" ;;
	file | gone)
		n=$((n + 1))
		new=gone old=gone
		if [ "$kind" = file ]; then
			printf %s "$data" | base64 -d >"$W/new/$n"
			new=there
		fi
		if [ -e "$path" ]; then
			cp -p -- "$path" "$W/old/$n"
			old=there
		fi
		echo "$n $mode $path $new $old" >>"$W/list"
		;;
	end) whole=yes ;;
	*) echo "cannot be understood: $kind" >&2; exit 1 ;;
	esac
done
[ "${whole:-}" = yes ] || { echo "the files did not come whole" >&2; exit 1; }

# How the interfaces are now, as files of one word each.
for i in $bridge "$@"; do
	mkdir -p "$W/was/$i"
	s=/sys/class/net/$i
	[ -e "$s" ] || continue
	cat "$s/mtu" >"$W/was/$i/mtu"
	cat "$s/flags" >"$W/was/$i/flags"
	master=$(readlink "$s/master" || true)
	echo "${master##*/}" >"$W/was/$i/master"
	ip -o addr show dev "$i" scope global | while read -r _ _ _ address _; do echo "$address"; done >"$W/was/$i/addresses"
	[ ! -d "$s/bridge" ] || for k in stp_state priority forward_delay hello_time max_age; do cat "$s/bridge/$k" >"$W/was/$i/$k"; done
done
echo "$bridge" >"$W/bridge"
echo "$*" >"$W/members"

# The syntax, of the files as they will be.
while read -r n mode path new old; do
	[ "$new" = there ] || continue
	case $path in
	/etc/network/*)
		said=$(ifquery -a -i "$W/new/$n" 2>&1 >/dev/null | grep '^error:' || true)
		[ -z "$said" ] || { echo "$path: $said" >&2; exit 1; }
		;;
	*.rules)
		if udevadm --help 2>/dev/null | grep -q '^ *verify'; then
			cp "$W/new/$n" "$W/check.rules"
			udevadm verify --no-style "$W/check.rules" >&2 || exit 1
		fi
		;;
	*) if head -n 1 "$W/new/$n" | grep -q '^#!/bin/sh'; then sh -n "$W/new/$n"; fi ;;
	esac
done <"$W/list"

cat /proc/sys/kernel/random/boot_id >"$W/boot"
mkdir -p "${U%/*}" "${UW%/*}"
cat >"$U" <<END
[Unit]
Description=Undo a deployment to the Thunderbolt network that was not confirmed
DefaultDependencies=no
ConditionPathExists=$P
RequiresMountsFor=$D /etc /usr/local/sbin
After=local-fs.target
Before=network-pre.target networking.service shutdown.target
Conflicts=shutdown.target

[Service]
Type=oneshot
ExecStart=/bin/sh $P/boot.sh
END
ln -sf "$U" "$UW"
: >"$W/armed"
sync
mv "$W" "$P"
trap - EXIT
# The timer holds the lock as long as it runs. It has a session of its own, so
# that the end of this connection does not end it.
setsid sh "$P/watch.sh" "$window" </dev/null >>"$P/log" 2>&1 &
echo begun
