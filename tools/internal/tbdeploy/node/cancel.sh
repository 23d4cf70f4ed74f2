# cancel: undoes it at once rather than when the time is over.
mv "$P/armed" "$P/undoing" 2>/dev/null || exit 0
sh "$P/undo.sh"
rm -rf "$D/undone"
mv "$P" "$D/undone"
for f in "$D/undone/watched" "$D/lock"; do
	[ ! -e "$f" ] || flock -w 5 "$f" true || exit
done
