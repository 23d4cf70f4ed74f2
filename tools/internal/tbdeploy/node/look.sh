# look WORD BRIDGE FILE...: tells what is there. Changes nothing.
word=$1 bridge=$2
shift 2
tell() { printf '%s %s\n' "$word" "$*"; }
show() { # KIND FILE [WHAT TO SAY WHERE THERE IS NONE]
	if [ -f "$2" ]; then
		tell "$1 $2 =$(head -c 200000 -- "$2" | base64 -w 0)"
	elif [ -e "$2" ]; then
		tell "$1 $2 !"
	else
		tell "$1 $2 ${3:--}"
	fi
}
for f; do
	show file "$f"
	[ ! -L "$f" ] || tell "leads $f =$(readlink -- "$f" | base64 -w 0)"
done
show record "$D/deployed"
for f in /etc/network/interfaces /etc/network/interfaces.new /etc/network/interfaces.d/*; do
	case " $* " in *" $f "*) continue ;; esac
	[ ! -f "$f" ] || show other "$f"
done
# What the files would take from the bridge.
if [ -n "$bridge" ] && [ -d "/sys/class/net/$bridge/bridge" ]; then
	for m in "/sys/class/net/$bridge/brif"/*; do [ ! -e "$m" ] || tell "member ${m##*/}"; done
	case $(cat "/sys/class/net/$bridge/bridge/vlan_filtering" 2>/dev/null || true) in '' | 0) ;; *) tell vlans ;; esac
fi
# .link files that name an interface, or a place on the bus, before ours do.
for f in /etc/systemd/network/*.link /run/systemd/network/*.link /usr/local/lib/systemd/network/*.link; do
	case $f in */10-railiance-*) continue ;; esac
	[ ! -f "$f" ] || show link "$f"
done
[ ! -e "$P" ] || tell pending
# The timer has the second one, and soon the first.
for f in "$D/lock" "$P/watched"; do
	if [ -e "$f" ] && ! flock -n "$f" true; then tell held; fi
done
# ifreload: the ifup of the old ifupdown cannot read what we write, nor then
# anything else.
for t in ifup ifreload ifquery udevadm flock setsid base64 sha256sum ip timeout ps cmp; do
	command -v "$t" >/dev/null || tell "lacks $t"
done
if [ -d "$D/kept" ]; then
	last=$(ls "$D/kept" | tail -n 1)
	if [ -n "$last" ]; then
		tell "kept $last"
		while read -r n mode path new old; do
			was=$D/kept/$last/old/$n
			if [ "$old" = there ]; then show was "$was" "!"; else tell "was $was -"; fi
			[ ! -e "$was.link" ] || tell "leads $was =$(base64 -w 0 <"$was.link")"
			tell "path $mode $path"
		done <"$D/kept/$last/list"
	fi
fi
# The interface over which we came must not be taken away.
for a in ${SSH_CONNECTION:-}; do
	dev=$(ip -o addr show | while read -r _ i _ address _; do [ "${address%/*}" != "$a" ] || echo "$i"; done | head -n 1)
	[ -z "$dev" ] || tell "over $dev"
done
tell end
