# watch WINDOW: undoes the deployment unless it is confirmed in time. It counts
# seconds that it slept: the node's clock may jump.
trap '' HUP
cd /
exec 8>>"$P/watched"
# Another timer of the same deployment, or somebody who looks.
flock -w 5 8 || exit 0
echo "$$" >&8
exec >>"$P/log" 2>&1
# A child of whoever began has inherited the lock; a unit takes it as soon as that
# one has let go of it.
(: >&9) 2>/dev/null || exec 9>>"$D/lock"
n=0
while [ "$n" -lt "$1" ] && [ -e "$P/armed" ]; do
	flock -n 9
	sleep 1
	n=$((n + 1))
done
# Who renames it first decides: we, or the confirmation. Where it cannot be
# renamed it cannot be confirmed either.
! mv "$P/armed" "$P/undoing" 2>/dev/null && [ ! -e "$P/armed" ] || echo "not confirmed within $1 s: undone"
# Whoever else undoes it may be ended in the middle.
if [ -e "$P/undoing" ]; then
	exec 7<"$P/undoing"
	flock -w 60 7
fi
# A disk may be full for a while. Then who deploys next goes on, or the next start.
for _ in 1 2 3 4 5 6 7 8 9 10 11 12; do
	[ -e "$P/undoing" ] || [ -e "$P/armed" ] || exit 0
	undone && exit
	sleep 5
done
