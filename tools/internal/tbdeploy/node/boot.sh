# boot: the node was restarted before the deployment was confirmed, and whoever
# was to undo it is gone. What it then lives by is to be what it had before.
[ ! -e "$P/confirmed" ] || exit 0
# Also a restart of the network alone brings us here: the timer does that one.
[ "$(cat "$P/boot")" != "$(cat /proc/sys/kernel/random/boot_id)" ] || exit 0
exec 9>>"$D/lock"
flock -w 5 9 || exit 0
echo "restarted before it was confirmed: undone" >>"$P/log"
undone files >>"$P/log" 2>&1
