# undo [files]: everything as it was before, or the files alone. It goes on where
# a step fails.
# The number is another process's once the node was restarted.
if [ -s "$P/applying" ] && [ "$(cat "$P/boot")" = "$(cat /proc/sys/kernel/random/boot_id)" ]; then
	group=$(cat "$P/applying")
	kill -TERM -- "-$group" 2>/dev/null
	for _ in 1 2 3 4 5; do
		kill -0 -- "-$group" 2>/dev/null || break
		sleep 1
	done
	kill -KILL -- "-$group" 2>/dev/null
fi
# Whose file, and who may read it, is part of it.
same() { cmp -s "$1" "$2" && [ "$(stat -c '%F %a %u %g' -- "$1")" = "$(stat -c '%F %a %u %g' -- "$2")" ]; }
# What somebody wrote there since then is in no other place.
keep() {
	[ -f "$path" ] && [ ! -L "$path" ] && ! cmp -s "$P/new/$n" "$path" || return
	[ "$old" = gone ] || ! cmp -s "$was" "$path" || return
	as=$D/edited/$(date -u -r "$path" +%Y%m%dT%H%M%SZ)-$n-${path##*/}
	mkdir -p "$D/edited" && cp -p -- "$path" "$as" && echo "edited since it was deployed: $path: that is in $as"
}
failed=0
while read -r n mode path new old; do
	rm -f -- "$path.railiance-new" "$path.railiance-old"
	was=$P/old/$n
	if [ -e "$was.link" ]; then
		[ "$(readlink -- "$path")" != "$(cat "$was.link")" ] || continue
	elif [ "$old" = there ]; then
		! same "$was" "$path" || continue
	fi
	keep
	if [ "$old" = gone ] && [ ! -e "$was.link" ]; then
		rm -f -- "$path" || failed=1
		continue
	fi
	{ ready "$was" "$path.railiance-old" && mv -fT -- "$path.railiance-old" "$path"; } && continue
	rm -f -- "$path.railiance-old"
	echo "$path is not as it was: that is in $was" >&2
	failed=1
done <"$P/list"
# The next start tries again.
if [ "$failed" = 0 ]; then
	rm -f -- "$U" "$UW"
	unmade "$P"
fi
sync
udevadm control --reload 2>/dev/null
[ "${1:-}" != files ] || exit "$failed"
was() { cat "$P/was/$1/$2" 2>/dev/null; }
bridge=$(cat "$P/bridge")
if [ -n "$bridge" ]; then
	if [ ! -e "$P/was/$bridge/mtu" ]; then
		ip link delete dev "$bridge" 2>/dev/null
	elif [ ! -e "/sys/class/net/$bridge" ]; then
		ip link add name "$bridge" type bridge
	fi
	[ ! -e "$P/was/$bridge/stp_state" ] || ip link set dev "$bridge" type bridge stp_state "$(was "$bridge" stp_state)" priority "$(was "$bridge" priority)" \
		forward_delay "$(was "$bridge" forward_delay)" hello_time "$(was "$bridge" hello_time)" max_age "$(was "$bridge" max_age)"
fi
for i in $(cat "$P/members") $bridge; do
	[ -e "$P/was/$i/mtu" ] && [ -e "/sys/class/net/$i" ] || continue
	ip link set dev "$i" mtu "$(was "$i" mtu)"
	master=$(was "$i" master)
	now=$(readlink "/sys/class/net/$i/master")
	if [ "${now##*/}" != "$master" ]; then
		if [ -n "$master" ]; then ip link set dev "$i" master "$master"; else ip link set dev "$i" nomaster; fi
	fi
	[ ! -s "$P/was/$i/disable_ipv6" ] || was "$i" disable_ipv6 >"/proc/sys/net/ipv6/conf/$i/disable_ipv6"
	if [ $(($(was "$i" flags) & 1)) = 1 ]; then ip link set dev "$i" up; else ip link set dev "$i" down; fi
	ip -o addr show dev "$i" scope global | while read -r _ _ _ address _; do
		grep -qxF "$address" "$P/was/$i/addresses" || ip addr del "$address" dev "$i"
	done
	while read -r address; do
		ip -o addr show dev "$i" | grep -qF " $address " || ip addr add "$address" dev "$i"
	done <"$P/was/$i/addresses"
done
exit "$failed"
