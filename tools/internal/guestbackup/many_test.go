package guestbackup_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/railiance/railiance/tools/internal/guestbackup"
	"github.com/railiance/railiance/tools/internal/pve"
	"github.com/railiance/railiance/tools/internal/state"
)

// One guest a node at a time: a second vzdump there would only wait. Nodes go
// on at once, as many as the policy says.
func TestOneGuestANode(t *testing.T) {
	for _, parallel := range []int{0, 2} {
		w := newWorld(t, t.TempDir(), fmt.Sprintf("  parallel: %d\n", parallel))
		for id := 100; id < 112; id++ {
			w.add(pve.Guest{ID: id, Node: []string{"baobab", "ebony", "tapia"}[id%3]})
		}
		want := parallel
		if want == 0 {
			want = 3
		}
		var mu sync.Mutex
		busy, most := map[string]int{}, 0
		// A busy machine may not let them meet by chance.
		meet := func() {
			for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
				mu.Lock()
				met := most >= want
				mu.Unlock()
				if met {
					break
				}
			}
			time.Sleep(20 * time.Millisecond)
		}
		w.cluster.dump = func(_ context.Context, g pve.Guest, to io.Writer) (string, error) {
			mu.Lock()
			if busy[g.Node]++; busy[g.Node] > 1 {
				t.Errorf("%d dumps on %s", busy[g.Node], g.Node)
			}
			sum := 0
			for _, n := range busy {
				sum += n
			}
			most = max(most, sum)
			mu.Unlock()
			meet()
			err := archive(g).Write(to)
			mu.Lock()
			defer mu.Unlock()
			busy[g.Node]--
			return log, err
		}
		results, err := w.backup(t)
		if err != nil || len(results) != 12 {
			t.Fatalf("%v, %d results\n%s", err, len(results), w.said)
		}
		if most != want {
			t.Errorf("parallel %d: %d dumps at once", parallel, most)
		}
	}
}

// A guest that has left since the discovery is dumped where it is, also when it
// leaves between the last look and the dump.
func TestAGuestThatMoves(t *testing.T) {
	w := newWorld(t, t.TempDir(), "")
	w.add(pve.Guest{ID: 100, Node: "baobab"})
	found := w.all()
	w.add(pve.Guest{ID: 100, Node: "ebony"})
	w.cluster.dump = func(_ context.Context, g pve.Guest, to io.Writer) (string, error) {
		if g.Node == "ebony" {
			w.add(pve.Guest{ID: 100, Node: "tapia"})
			return "", nil // what vzdump does for a guest of another node
		}
		return log, archive(g).Write(to)
	}
	results, err := w.run(t).Do(t.Context(), found, true)
	if err != nil || results[0].Node != "tapia" {
		t.Errorf("%v: %+v", err, results)
	}
	if want := []string{"ebony vm-100", "tapia vm-100"}; !reflect.DeepEqual(w.dumps, want) {
		t.Errorf("dumped %q", w.dumps)
	}
	w.tells(t, "it has left ebony")
	if sets := w.sets(t, "one", "vm-100"); len(sets) != 1 || sets[0].Artifacts[0].Source["node"] != "tapia" {
		t.Errorf("%d sets", len(sets))
	}
}

// Each of these fails alone.
func TestGuestsThatCannotBeBackedUp(t *testing.T) {
	w := newWorld(t, t.TempDir(), "")
	for id := 100; id < 104; id++ {
		w.add(pve.Guest{ID: id})
	}
	found := w.all()
	w.add(pve.Guest{ID: 100, Lock: "backup"})
	w.add(pve.Guest{ID: 101, Type: pve.CT})
	delete(w.guests, 102)
	results, err := w.run(t).Do(t.Context(), found, true)
	if !errors.Is(err, guestbackup.ErrFailed) {
		t.Error(err)
	}
	for i, want := range []string{"lock backup", "somebody reuses the number", "there is no such guest", ""} {
		status := guestbackup.Failed
		if want == "" {
			status = guestbackup.Done
		}
		if r := results[i]; r.Status != status || !strings.Contains(r.Why, want) {
			t.Errorf("%d: %+v", r.Guest, r)
		}
	}
	w.tells(t, "hint: when no task of Proxmox works on it any more, on baobab: qm unlock 100")
	if want := []string{"baobab vm-103"}; !reflect.DeepEqual(w.dumps, want) {
		t.Errorf("dumped %q", w.dumps)
	}
	if _, err := state.ReadStamp(w.layer.Backups, state.BackupStamp); err == nil {
		t.Error("stamped")
	}
}

func TestGuestsThatAreSkipped(t *testing.T) {
	w := newWorld(t, t.TempDir(), `  rules:
    - {guest: 100, skip: true}
    - {tag: nightly, window: "22:00-01:00"}
`)
	w.add(pve.Guest{ID: 100})
	w.add(pve.Guest{ID: 101, Tags: []string{"nightly"}})
	w.add(pve.Guest{ID: 102})
	results, err := w.backup(t)
	if err != nil {
		t.Fatal(err)
	}
	for id, want := range map[int]string{100: "layer.yaml says so", 101: "it is not 22:00-01:00", 102: ""} {
		if r := results[id]; r.Why != want || (r.Status == guestbackup.Skipped) != (want != "") {
			t.Errorf("%+v", r)
		}
	}
	run := w.run(t)
	run.Asked, run.IfOlderThan = true, 20*time.Hour
	asked, err := run.Do(t.Context(), w.all(), false)
	if err != nil || asked[0].Status != guestbackup.Done || asked[1].Status != guestbackup.Done || asked[2].Status != guestbackup.Skipped {
		t.Errorf("%v: %+v", err, asked)
	}
	w.now = w.now.Add(20 * time.Hour)
	if later, err := run.Do(t.Context(), w.all(), false); err != nil || later[2].Status != guestbackup.Done {
		t.Errorf("%v: %+v", err, later)
	}
}

// A set that one site lacks is made again, in all of them.
func TestFreshInEverySite(t *testing.T) {
	w := newWorld(t, t.TempDir(), "")
	w.add(pve.Guest{ID: 100})
	all := w.sites
	w.sites = all[:2]
	if _, err := w.backup(t); err != nil {
		t.Fatal(err)
	}
	w.sites, w.now = all, w.now.Add(time.Minute)
	run := w.run(t)
	run.IfOlderThan = time.Hour
	if results, err := run.Do(t.Context(), w.all(), false); err != nil || results[0].Status != guestbackup.Done {
		t.Errorf("%v: %+v", err, results)
	}
}

// A set that a wrong clock has dated ahead is no reason to make none.
func TestFreshIsNotFromTheFuture(t *testing.T) {
	w := newWorld(t, t.TempDir(), "")
	w.add(pve.Guest{ID: 100})
	if _, err := w.backup(t); err != nil {
		t.Fatal(err)
	}
	w.now = w.now.Add(-48 * time.Hour)
	run := w.run(t)
	run.IfOlderThan = 20 * time.Hour
	if results, err := run.Do(t.Context(), w.all(), false); err != nil || results[0].Status != guestbackup.Done {
		t.Errorf("%v: %+v", err, results)
	}
}

// A run that is stopped leaves nothing, and says so.
func TestStopped(t *testing.T) {
	w := newWorld(t, t.TempDir(), "")
	w.add(pve.Guest{ID: 100})
	w.add(pve.Guest{ID: 101})
	ctx, stop := context.WithCancelCause(t.Context())
	w.cluster.dump = func(ctx context.Context, g pve.Guest, to io.Writer) (string, error) {
		if err := archive(g).Write(&cut{to, 100 << 10}); err != nil {
			return "", err
		}
		stop(errors.New("somebody pressed a key"))
		<-ctx.Done()
		return "", context.Cause(ctx)
	}
	begin := time.Now()
	results, err := w.run(t).Do(ctx, w.all(), true)
	if err == nil || !strings.Contains(err.Error(), "somebody pressed a key") || time.Since(begin) > 5*time.Second {
		t.Errorf("%v after %s", err, time.Since(begin))
	}
	for _, r := range results {
		if r.Status != guestbackup.Failed {
			t.Errorf("%+v", r)
		}
	}
	for _, site := range []string{"one", "two", "three"} {
		for _, folder := range []string{"vm-100", "vm-101"} {
			if files := w.files(t, site, folder); len(files) > 0 {
				t.Errorf("%s/%s holds %q", site, folder, files)
			}
		}
	}
}

func TestTwoRunsAtOnce(t *testing.T) {
	w := newWorld(t, t.TempDir(), "")
	w.add(pve.Guest{ID: 100})
	w.cluster.dump = func(_ context.Context, g pve.Guest, to io.Writer) (string, error) {
		if _, err := w.run(t).Do(t.Context(), w.all(), true); !errors.Is(err, state.ErrHeld) {
			t.Errorf("a second run: %v", err)
		}
		return log, archive(g).Write(to)
	}
	if _, err := w.backup(t); err != nil {
		t.Error(err)
	}
}
