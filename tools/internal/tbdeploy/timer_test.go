package tbdeploy

import (
	"strings"
	"testing"
	"time"

	"github.com/railiance/railiance/tools/internal/tbtest"
)

// systemdRun is what a node with systemd has, as far as our scripts call it: what
// it starts has nothing of whoever called. It refuses what it does not know.
const systemdRun = `#!/bin/sh
set -eu
while [ $# -gt 0 ]; do
	case $1 in
	--quiet | --collect) ;;
	--unit=railiance-thunderbolt-timer-[0-9]*) ;;
	--description=*) ;;
	-*) echo "systemd-run: unrecognized option '$1'" >&2; exit 1 ;;
	*) break ;;
	esac
	shift
done
case $1 in /*) ;; *) echo "systemd-run: $1 is no path" >&2; exit 1 ;; esac
[ ! -e /run/broken ] || { echo "Failed to start transient service unit: Access denied" >&2; exit 1; }
exec 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&-
# The job is queued: it starts when it likes.
env -i setsid sh -c 'sleep 1; exec "$@"' sh "$@" </dev/null >/dev/null 2>&1 &
`

// endSession ends what ssh has started on a node, as systemd does it where it is
// told to: here known by the environment, there by the control group.
const endSession = `for e in $(grep -lz ^SSH_CONNECTION= /proc/[0-9]*/environ 2>/dev/null); do e=${e#/proc/}; kill -KILL ${e%/environ} 2>/dev/null || true; done; sleep 0.5`

// The timer outlives the session that started it, where systemd ends all of it;
// until it holds the lock itself no other deployment comes between.
func TestTimerOutlivesSession(t *testing.T) {
	t.Parallel()
	ring := liveRing(t)
	n := ring.Node("ebony")
	other := ring.Node("tapia")
	for _, n := range []*tbtest.Node{n, other} {
		if _, err := n.Run(t.Context(), systemdRun, "sh", "-euc", "rm -f /usr/bin/systemd-run; cat >/usr/bin/systemd-run; chmod +x /usr/bin/systemd-run; mkdir -p /run/systemd/system"); err != nil {
			t.Fatal(err)
		}
	}
	on(t, other, ": >/run/broken")
	for _, test := range []struct {
		n     *tbtest.Node
		stays bool
	}{{n, true}, {other, false}} {
		before := stateOf(t, test.n)
		d := deployment(t, ring, test.n.Name)
		d.Window = 15 * time.Second
		remote, _, files := begun(t, d)
		if _, err := d.begin(t.Context(), remote, files); err == nil || !strings.Contains(err.Error(), "another deployment is going on") {
			t.Errorf("a second one: %v", err)
		}
		if found, err := look(t.Context(), remote, "", nil); err != nil || !found.held {
			t.Errorf("%s: nobody holds it, %v", d.Node, err)
		}
		if err := d.apply(t.Context(), remote); err != nil {
			t.Fatal(err)
		}
		if stateOf(t, test.n) == before {
			t.Errorf("%s: nothing was applied", d.Node)
		}
		// The clock jumps, and so do the times of files.
		on(t, test.n, "printf '#!/bin/sh\necho 4102444800\n' >/usr/bin/date2; chmod +x /usr/bin/date2; mv /usr/bin/date2 /usr/bin/date; touch -d 2001-01-01 /var/lib/railiance/thunderbolt/pending/*")
		on(t, test.n, endSession)
		alive := on(t, test.n, "pgrep -f /[p]ending/watch.sh || true") != ""
		if alive != test.stays {
			t.Errorf("%s: the timer is alive: %t", d.Node, alive)
		}
		if !test.stays {
			if log := on(t, test.n, "cat /var/lib/railiance/thunderbolt/pending/log"); !strings.Contains(log, "Access denied") || !strings.Contains(log, "the timer runs in the session") {
				t.Errorf("%s: the log says %q", d.Node, log)
			}
			continue
		}
		for end := time.Now().Add(d.Window + 20*time.Second); ; time.Sleep(500 * time.Millisecond) {
			if found, err := look(t.Context(), remote, "", nil); err == nil && !found.pending && !found.held {
				break
			}
			if time.Now().After(end) {
				t.Fatal("it is not undone")
			}
		}
		if after := stateOf(t, test.n); after != before {
			t.Errorf("what was there (-) and is now (+):\n%s", diff(before, after))
		}
	}
	// A whole deployment, with the timer told that it is confirmed.
	d := deployment(t, ring, "ebony")
	healthy(t, d, 30*time.Second)
	on(t, other, "rm /run/broken")
	cleared(t, deployment(t, ring, "tapia"), Undone)
	run(t, d, Confirmed)
	if got := on(t, n, "pgrep -f /[p]ending/watch.sh || true"); got != "" {
		t.Errorf("the timer still runs: %s", got)
	}
	if found, err := look(t.Context(), d.Reach("root@ebony"), "", nil); err != nil || found.held || found.pending {
		t.Errorf("%+v, %v", found, err)
	}
}
