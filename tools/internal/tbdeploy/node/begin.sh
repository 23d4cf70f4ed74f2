# begin WINDOW BRIDGE MEMBER...: takes the files from standard input, keeps what
# they will replace, and starts the timer that undoes it all. Nothing that the
# node lives by is changed yet.
set -eu
window=$1 bridge=$2
shift 2
# What else is in the bridge may leave it with --force, and is put back by undo.
extra=
[ -z "$bridge" ] || for i in $(ls "/sys/class/net/$bridge/brif" 2>/dev/null || true); do
	case " $* " in *" $i "*) ;; *) extra="$extra $i" ;; esac
done
set -- "$@" $extra
mkdir -p "$D"
chmod 700 "$D"
exec 9>>"$D/lock"
busy() { echo "another deployment is going on, or waits for its confirmation" >&2; exit 75; }
flock -n 9 || busy
if [ -e "$P" ]; then
	# Its timer has not come to take the lock yet.
	[ ! -e "$P/watched" ] || flock -n "$P/watched" true || busy
	# Whoever began it did not come to its end, nor did the timer: the node was
	# switched off in between.
	if [ -e "$P/confirmed" ]; then
		exec 9>&-
		sh "$P/confirm.sh" >&2
		echo confirmed
	else
		undone
		echo undone
	fi
	exit 76
fi
W=$D/draft
rm -rf "$W"
trap 'rm -f "$U" "$UW"; unmade "$W"; rm -rf "$W"' EXIT
mkdir -p "$W/new" "$W/old"
willmake() { [ -d "$1" ] || echo "$1" >>"$W/made"; }
n=0
: >"$W/list"
while read -r kind mode path data; do
	case $kind in
	script) printf %s "$data" | base64 -d >"$W/$path" ;;
	file | back | gone)
		n=$((n + 1))
		new=there old=gone
		case $kind in
		file)
			printf %s "$data" | base64 -d >"$W/new/$n"
			chmod "$mode" "$W/new/$n"
			;;
		back) # what an earlier deployment replaced, as it was kept
			new=back k=$D/kept/$data l=
			[ ! -e "$k.link" ] || l=.link
			cp -p -- "$k$l" "$W/new/$n$l"
			;;
		gone) new=gone ;;
		esac
		[ "$new" = gone ] || willmake "${path%/*}"
		# Of a link both are kept: where it leads, and what is there.
		[ ! -L "$path" ] || readlink -- "$path" >"$W/old/$n.link"
		if [ -f "$path" ] || { [ -e "$path" ] && [ ! -L "$path" ]; }; then
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
	# ifupdown2 takes IPv6 from what it puts into a bridge.
	cat "/proc/sys/net/ipv6/conf/$i/disable_ipv6" >"$W/was/$i/disable_ipv6" 2>/dev/null || true
	ip -o addr show dev "$i" scope global | while read -r _ _ _ address _; do echo "$address"; done >"$W/was/$i/addresses"
	[ ! -d "$s/bridge" ] || for k in stp_state priority forward_delay hello_time max_age; do cat "$s/bridge/$k" >"$W/was/$i/$k"; done
done
echo "$bridge" >"$W/bridge"
echo "$*" >"$W/members"

# The syntax, of the files as they will be; what was there was good enough to be.
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
willmake "${UW%/*}"
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
# The timer holds the lock as long as it runs. The end of this connection must
# not end it: systemd may be told to end all that a session has started, but for
# what it runs itself (KillUserProcesses=). A second timer would do no harm.
if [ -d /run/systemd/system ] && command -v systemd-run >/dev/null; then
	if systemd-run --quiet --collect --unit="railiance-thunderbolt-timer-$$" --description="Undo a deployment to the Thunderbolt network unless it is confirmed" \
		/bin/sh "$P/watch.sh" "$window" </dev/null >>"$P/log" 2>&1 9>&-; then
		# Until it has made itself known the lock is ours.
		for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
			[ ! -s "$P/watched" ] || break
			sleep 0.3
		done
	else
		echo "systemd-run failed ($?): the timer runs in the session" >>"$P/log"
	fi
fi
if [ ! -s "$P/watched" ]; then
	setsid sh "$P/watch.sh" "$window" </dev/null >>"$P/log" 2>&1 &
fi
echo begun
