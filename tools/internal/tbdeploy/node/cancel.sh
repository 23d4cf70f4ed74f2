# cancel: undoes it at once rather than when the time is over.
mv "$P/armed" "$P/undoing" 2>/dev/null || exit 0
sh "$P/undo.sh"
rm -rf "$D/undone"
mv "$P" "$D/undone"
flock -w 5 "$D/lock" true
