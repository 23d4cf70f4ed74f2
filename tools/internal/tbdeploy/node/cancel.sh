# cancel: undoes it at once rather than when the time is over. What is confirmed
# is confirmed to the end, if that can be, and else undone, too.
[ -e "$P" ] || exit 0
if [ -e "$P/confirmed" ]; then
	sh "$P/confirm.sh" && exit 0
	exec 7<"$P/confirmed" || exit
	flock -w 5 7 || exit
	mv "$P/confirmed" "$P/undoing" || [ -e "$P/confirmed" ] || exit 0
else
	# Whoever renames it undoes it; where nobody can, it is undone all the same.
	mv "$P/armed" "$P/undoing" 2>/dev/null || [ -e "$P/armed" ] || [ -e "$P/undoing" ] || exit 0
	if [ -e "$P/undoing" ]; then
		exec 7<"$P/undoing" || exit
		flock -w 5 7 || { echo "the node is still at it: $(tail -n 5 "$P/log" | tr '\n' ' ')" >&2; exit 1; }
		[ -e "$P/undoing" ] || exit 0
	fi
fi
undone || exit
exec 7<&-
for f in "$D/undone/watched" "$D/lock"; do
	[ ! -e "$f" ] || flock -w 5 "$f" true || exit
done
