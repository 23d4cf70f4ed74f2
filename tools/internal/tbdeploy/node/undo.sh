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
while read -r n mode path new old; do
	rm -f -- "$path.railiance-new"
	if [ -e "$P/old/$n.link" ]; then
		link=$(cat "$P/old/$n.link")
		[ "$(readlink -- "$path")" = "$link" ] || { ln -sfT -- "$link" "$path.railiance-old" && mv -fT -- "$path.railiance-old" "$path"; }
	elif [ "$old" = there ]; then
		cmp -s "$P/old/$n" "$path" || { cp -p -- "$P/old/$n" "$path.railiance-old" && mv -fT -- "$path.railiance-old" "$path"; }
	else
		rm -f -- "$path"
	fi
done <"$P/list"
rm -f -- "$U" "$UW"
unmade "$P"
sync
udevadm control --reload 2>/dev/null
[ "${1:-}" != files ] || exit 0
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
	if [ $(($(was "$i" flags) & 1)) = 1 ]; then ip link set dev "$i" up; else ip link set dev "$i" down; fi
	ip -o addr show dev "$i" scope global | while read -r _ _ _ address _; do
		grep -qxF "$address" "$P/was/$i/addresses" || ip addr del "$address" dev "$i"
	done
	while read -r address; do
		ip -o addr show dev "$i" | grep -qF " $address " || ip addr add "$address" dev "$i"
	done <"$P/was/$i/addresses"
done
exit 0
