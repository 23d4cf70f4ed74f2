#!/bin/sh
# Breaks one step of the demo at a time: that step, and no other, must then fail
# the whole, and nothing may go on running.
#
# usage: sabotaged.sh [NAME…]     default: each of sabotage.go
set -eu

here=$(cd "$(dirname "$0")" && pwd)

work=$(mktemp -d "${TMPDIR:-/tmp}/railiance-sabotage.XXXXXX")
trap 'chmod -R u+w "$work" && rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
chmod 711 "$work"

if [ -z "${DEMO_BUILT:-}" ]; then
	sh "$here/build.sh" "$work/built"
	export DEMO_BUILT="$work/built"
fi
all=$(sed -nE 's/^\t"([a-z]+)": +\{Before: "([a-z]+)", .*/\1:\2/p' "$here/sabotage.go")
[ "$(echo "$all" | wc -l)" -ge 14 ] || {
	echo "sabotaged: the list is not found any more in sabotage.go" >&2
	exit 2
}

failed=0
for pair in $all; do
	name=${pair%%:*} step=${pair#*:}
	case " ${*:-$name} " in
	*" $name "*) ;;
	*) continue ;;
	esac
	status=0
	DEMO_DIR=$work/$name DEMO_SABOTAGE=$name sh "$here/run.sh" >"$work/$name.log" 2>&1 || status=$?
	title=$(sed -nE "s/^\t\tstep\(\"$step\", \"([^\"]*)\".*/\1/p" "$here/steps.go")
	wrong=
	[ "$status" = 1 ] || wrong="exit status $status"
	grep -q "^demo: FAILED: step [0-9]*, $title: " "$work/$name.log" || wrong="$wrong; it did not fail at \"$title\""
	# A process that is ending needs a moment.
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		pgrep -f "$work/$name/" >/dev/null || break
		sleep 0.5
	done
	! pgrep -fl "$work/$name/" || wrong="$wrong; something goes on running"
	if [ -z "$wrong" ]; then
		echo "--- PASS: sabotage/$name: $(grep -m1 '^demo: FAILED' "$work/$name.log" | cut -c15-130)"
	else
		failed=1
		tail -n 40 "$work/$name.log"
		echo "--- FAIL: sabotage/$name: $wrong"
	fi
	chmod -R u+w "$work/$name" && rm -rf "${work:?}/$name"
done
exit $failed
