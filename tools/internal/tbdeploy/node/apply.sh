# apply WORD BRIDGE MEMBER...: puts the files in their places, each at once, lets
# the node live by them, and tells how that went in lines that begin with WORD.
set -euf
word=$1
shift
tell() { printf '\n%s %s\n' "$word" "$*"; }
[ -e "$P/armed" ] || { echo "the time is over: it was undone" >&2; exit 1; }
ps -o pgid= -p $$ | tr -d ' ' >"$P/applying"
while read -r n mode path new old; do
	if [ "$new" = gone ]; then
		rm -f -- "$path"
		continue
	fi
	mkdir -p -- "${path%/*}"
	ready "$P/new/$n" "$path.railiance-new"
	[ -L "$path.railiance-new" ] || sync -- "$path.railiance-new"
	[ -e "$P/armed" ] || { rm -f -- "$path.railiance-new"; exit 1; }
	mv -fT -- "$path.railiance-new" "$path"
done <"$P/list"
sync
# Without udevd there is nothing to be told.
udevadm control --reload 2>/dev/null || true
# One name that no file has, and ifup does nothing for the others either.
known="$*"
ifquery "$@" >/dev/null 2>&1 || {
	known=
	for i; do
		if ifquery "$i" >/dev/null 2>&1; then known="$known $i"; else tell unknown "$i"; fi
	done
}
# In the foreground, so that who undoes it can end ifup with us. Its 89 is that
# another one is at work, which may be over in a moment.
[ -z "$known" ] || for try in 1 2 3 4 5 6 7 8; do
	code=0
	timeout --foreground 60 ifup $known >"$P/said" 2>&1 || code=$?
	[ "$code" = 89 ] || break
	sleep 1
done
[ -e "$P/armed" ] || { echo "the time is over: it was undone" >&2; exit 1; }
if [ -n "$known" ]; then
	cat "$P/said"
	tell ifup "$code"
	for i in $known; do [ -e "/sys/class/net/$i" ] || tell absent "$i"; done
	ifquery --check $known >"$P/checked" 2>>"$P/log" || true
	cat "$P/checked"
fi
rm -f "$P/applying"
tell end
