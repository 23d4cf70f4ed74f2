package tbdeploy

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/railiance/railiance/tools/internal/thunderbolt"
)

// A confirmation that stops half way is brought to its end, or undone; what is
// told of it is so.
func TestConfirmedHalfWay(t *testing.T) {
	t.Parallel()
	ring := liveRing(t)
	const folder = "/var/lib/railiance/thunderbolt"

	t.Run("the disk is full", func(t *testing.T) {
		n := ring.Node("ebony")
		on(t, n, "mkdir -p "+folder+" && mount -t tmpfs -o size=1m tmpfs "+folder)
		before := stateOf(t, n)
		d := deployment(t, ring, "ebony")
		check := d.Check
		d.Check = func(ctx context.Context) (thunderbolt.Diagnosis, error) {
			on(t, n, "[ ! -e "+folder+"/pending ] || cat /dev/zero >"+folder+"/filler 2>/dev/null || true")
			return check(ctx)
		}
		began := time.Now()
		r, err := d.Run(t.Context())
		if err == nil || r.Outcome != Undone {
			t.Errorf("%s, %v", r.Outcome, err)
		}
		if took := time.Since(began); took > d.Window {
			t.Errorf("took %s", took)
		}
		if after := stateOf(t, n); after != before {
			t.Errorf("what was there (-) and is now (+):\n%s", diff(before, after))
		}
	})
	t.Run("the connection is lost", func(t *testing.T) {
		n := ring.Node("tapia")
		before := stateOf(t, n)
		d := deployment(t, ring, "tapia")
		remote, found, files := begun(t, d)
		apply(t, d, files)
		on(t, n, "cd "+folder+"/pending; mv armed confirmed")
		if outcome, err := d.undo(t.Context(), remote, found.kept, errors.New("lost")); err != nil || outcome != Confirmed {
			t.Errorf("%s, %v", outcome, err)
		}
		if after := stateOf(t, n); after == before {
			t.Error("it was undone")
		}
		if found, err := look(t.Context(), remote, "", nil); err != nil || found.pending || !found.recorded {
			t.Errorf("%+v, %v", found, err)
		}
	})
	t.Run("nothing can be renamed", func(t *testing.T) {
		n := ring.Node("baobab")
		before := stateOf(t, n)
		d := deployment(t, ring, "baobab")
		d.Window = 8 * time.Second
		remote, _, files := begun(t, d)
		apply(t, d, files)
		on(t, n, "cd "+folder+"; mount --bind pending pending && mount -o remount,bind,ro pending")
		for end := time.Now().Add(d.Window + 15*time.Second); stateOf(t, n) != before; time.Sleep(time.Second) {
			if time.Now().After(end) {
				t.Fatal("the timer gave up")
			}
		}
		// Nobody says that all is well where the books cannot be closed.
		if _, err := d.call(t.Context(), remote, "", "cancel"); err == nil {
			t.Error("cancel says that nothing is left to undo")
		}
		on(t, n, "umount "+folder+"/pending")
		if outcome, err := d.undo(t.Context(), remote, "", errors.New("not confirmed")); outcome != Undone || err == nil {
			t.Errorf("%s, %v", outcome, err)
		}
	})
}
