# Runs vzdump with a folder of its own, for its log and its drafts. Arguments:
# for how many seconds the leash may be silent, and then those of vzdump.
# Standard input is the leash: when it ends, or no byte comes for so long,
# whoever wanted the dump is gone, and vzdump is asked to end. It is never killed,
# since it would leave the guest locked.
umask 077
silence=$1
shift
tmp=${TMPDIR:-/var/tmp}

# A run that was killed leaves its folder; one that lives holds the lock in it.
for old in "$tmp"/railiance-vzdump.*; do
	[ -d "$old" ] && [ ! -L "$old" ] && [ -O "$old" ] && [ -e "$old/.lock" ] || continue
	flock -n "$old/.lock" rm -rf -- "$old" && echo "railiance: removed $old, left by a run that was killed" >&2
done

dir=$(mktemp -d "$tmp/railiance-vzdump.XXXXXXXX") || exit 1
exec 9>"$dir/.lock" 3<&0 </dev/null
flock -n 9 || exit 1

# Where the connection is gone, vzdump must not stumble over its own log while
# it gives the guest back: somebody reads it to the end in any case. A shell says
# on standard error that a child of it was ended, and must not wait there itself.
mkfifo "$dir/.log" "$dir/.out" || exit 1
{
	exec 4<&0
	cat <&4 &
	echo "$!" >"$dir/.teller"
	wait "$!"
	cat >/dev/null
} <"$dir/.log" >&2 2>/dev/null 3<&- 9>&- &
log=$!

# A machine that has vanished takes no more and says nothing: until TCP notices,
# the guest would wait for it at each of its writes. So the stream passes by one
# that can be ended.
cat <"$dir/.out" 3<&- 9>&- &
relay=$!

vzdump "$@" --dumpdir "$dir" 3<&- >"$dir/.out" 2>"$dir/.log" &
dump=$!
trap 'kill -TERM "$dump" 2>/dev/null' HUP INT TERM
{
	while
		byte=$(timeout "$silence" head -c 1 <&3)
		silent=$?
		[ -n "$byte" ]
	do :; done
	kill -TERM "$dump"
	if [ "$silent" -eq 124 ]; then
		kill "$relay"
		until [ -s "$dir/.teller" ]; do sleep 1; done
		kill "$(cat "$dir/.teller")"
	fi
} >/dev/null 2>&1 9>&- &
watch=$!
exec 3<&- 2>/dev/null

wait "$dump"
status=$?
while kill -0 "$dump" 2>/dev/null; do # a signal has ended the waiting, not vzdump
	wait "$dump"
	status=$?
done
wait "$relay" || [ "$status" -ne 0 ] || status=1
kill "$watch" 2>/dev/null

# A process that vzdump leaves behind may hold the log open.
{
	sleep 10
	kill "$log" "$(cat "$dir/.teller")"
} >/dev/null 2>&1 9>&- &
late=$!
wait "$log"
kill "$late" 2>/dev/null
rm -rf -- "$dir"
exit "$status"
