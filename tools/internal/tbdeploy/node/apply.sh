# apply BRIDGE MEMBER...: puts the files in their places, each at once, and lets
# the node live by them.
set -eu
[ -e "$P/armed" ] || { echo "the time is over: it was undone" >&2; exit 1; }
ps -o pgid= -p $$ | tr -d ' ' >"$P/applying"
while read -r n mode path new old; do
	if [ "$new" = gone ]; then
		rm -f -- "$path"
		continue
	fi
	mkdir -p -- "${path%/*}"
	cp -- "$P/new/$n" "$path.railiance-new"
	chmod "$mode" "$path.railiance-new"
	chown 0:0 "$path.railiance-new"
	sync -- "$path.railiance-new"
	[ -e "$P/armed" ] || { rm -f -- "$path.railiance-new"; exit 1; }
	mv -f -- "$path.railiance-new" "$path"
done <"$P/list"
sync
# Without udevd there is nothing to be told.
udevadm control --reload 2>/dev/null || true
# In the foreground, so that who undoes it can end ifup with us.
# An interface that is not there is an error to ifup, which does the rest
# nevertheless; what came of it is seen by the check that follows.
timeout --foreground 60 ifup "$@" 2>&1 || true
for i; do ifquery --check "$i" 2>/dev/null || true; done
rm -f "$P/applying"
