# watch WINDOW: undoes the deployment unless it is confirmed in time. It counts
# seconds that it slept: the node's clock may jump.
trap '' HUP
cd /
n=0
while [ "$n" -lt "$1" ]; do
	[ -e "$P/armed" ] || exit 0
	sleep 1
	n=$((n + 1))
done
# Who renames it first decides: we, or the confirmation.
mv "$P/armed" "$P/undoing" 2>/dev/null || exit 0
echo "not confirmed within $1 s: undone"
sh "$P/undo.sh"
rm -rf "$D/undone"
mv "$P" "$D/undone"
