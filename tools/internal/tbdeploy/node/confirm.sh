# confirm: stops the timer, and keeps what was replaced. One that was stopped in
# the middle is gone on with by who comes next.
set -eu
[ -e "$P/confirmed" ] || mv "$P/armed" "$P/confirmed" || { echo "too late: it was undone, or is in a moment" >&2; exit 1; }
exec 7<"$P/confirmed"
flock -w 5 7 || { echo "another one confirms it" >&2; exit 1; }
[ -e "$P/confirmed" ] || exit 0
while read -r n mode path new old; do
	# A link may lead to nothing.
	[ "$new" = gone ] || { [ -L "$path" ] && [ ! -f "$path" ]; } || sha256sum -- "$path"
done <"$P/list" >"$D/deployed.new"
sync -- "$D/deployed.new"
rm -f -- "$U" "$UW"
unmade "$P"
mv -f "$D/deployed.new" "$D/deployed"
mkdir -p "$D/kept"
last=$(ls "$D/kept" | tail -n 1)
next=$(printf %06d $((1${last:-000000} - 1000000 + 1)))
mv "$P" "$D/kept/$next"
ls "$D/kept" | head -n -10 | while read -r old; do rm -rf "$D/kept/$old"; done
# The timer sees it within a second, and lets go of the lock.
for f in "$D/kept/$next/watched" "$D/lock"; do
	[ ! -e "$f" ] || flock -w 5 "$f" true || true
done
