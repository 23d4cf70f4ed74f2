package guestbackup_test

import (
	"context"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/railiance/railiance/tools/internal/guestbackup"
	"github.com/railiance/railiance/tools/internal/guestset"
	"github.com/railiance/railiance/tools/internal/pve"
	"github.com/railiance/railiance/tools/internal/state"
)

// What a guest waits for others is not taken from its own time.
func TestTheWaitForATurnIsNoTimeOfTheGuest(t *testing.T) {
	w := newWorld(t, t.TempDir(), "  parallel: 1\n  default: {timeout: 3s}\n")
	for id, node := range []string{"baobab", "ebony", "tapia"} {
		w.add(pve.Guest{ID: 100 + id, Node: node})
	}
	w.cluster.dump = func(ctx context.Context, g pve.Guest, to io.Writer) (string, error) {
		select {
		case <-ctx.Done():
			return log, context.Cause(ctx)
		case <-time.After(1100 * time.Millisecond):
			return log, archive(g).Write(to)
		}
	}
	if results, err := w.backup(t); err != nil {
		t.Errorf("%v: %+v", err, results)
	}
}

// A guest whose window closes while others are backed up has no backup of this
// night: the run has failed, and says for whom. What is fresh needed none.
func TestAWindowThatCloses(t *testing.T) {
	w := newWorld(t, t.TempDir(), `  rules:
    - {tag: nightly, window: "01:00-03:00"}
`)
	nightly := func(id int) { w.add(pve.Guest{ID: id, Tags: []string{"nightly"}}) }
	nightly(101)
	if _, err := w.backup(t); err != nil {
		t.Fatal(err)
	}
	before, err := state.ReadStamp(w.layer.Backups, state.BackupStamp)
	if err != nil {
		t.Fatal(err)
	}
	w.now = w.now.Add(24 * time.Hour)
	w.add(pve.Guest{ID: 100})
	nightly(102)
	w.cluster.dump = func(_ context.Context, g pve.Guest, to io.Writer) (string, error) {
		if g.ID == 100 {
			w.now = w.now.Add(2 * time.Hour)
		}
		return log, archive(g).Write(to)
	}
	run := w.run(t)
	run.IfOlderThan = 48 * time.Hour
	results, err := run.Do(t.Context(), w.all(), true)
	if !errors.Is(err, guestbackup.ErrFailed) {
		t.Error(err)
	}
	for i, want := range []string{guestbackup.Done, guestbackup.Skipped, guestbackup.Failed} {
		if results[i].Status != want {
			t.Errorf("%+v", results[i])
		}
	}
	w.tells(t, "vm-102: error: its window 01:00-03:00 closed before its turn", "hint: a wider window")
	if now, err := state.ReadStamp(w.layer.Backups, state.BackupStamp); err != nil || !reflect.DeepEqual(now, before) {
		t.Errorf("stamped again: %+v, %v", now, err)
	}
}

// It may also close while the guest waits for another node to be done.
func TestAWindowThatClosesInTheWait(t *testing.T) {
	w := newWorld(t, t.TempDir(), "  parallel: 1\n  default: {window: \"01:00-03:00\"}\n")
	w.add(pve.Guest{ID: 100})
	w.add(pve.Guest{ID: 101, Node: "ebony"})
	at, first := make(chan struct{}), true
	w.cluster.dump = func(_ context.Context, g pve.Guest, to io.Writer) (string, error) {
		if !first {
			t.Error("the second was dumped")
		}
		first = false
		close(at)
		time.Sleep(200 * time.Millisecond) // the other one waits by now
		return log, archive(g).Write(to)
	}
	run := w.run(t)
	begin := w.now
	run.Now = func() time.Time {
		select {
		case <-at:
			return begin.Add(2 * time.Hour)
		default:
			return begin
		}
	}
	results, err := run.Do(t.Context(), w.all(), true)
	if !errors.Is(err, guestbackup.ErrFailed) || results[0].OK() == results[1].OK() {
		t.Errorf("%v: %+v", err, results)
	}
}

// A guest that is being moved, or made, is tried again when the others of its
// node are done; one whose lock stays fails once, and a backup's lock does not
// pass by itself.
func TestALockThatPasses(t *testing.T) {
	w := newWorld(t, t.TempDir(), "")
	for id, lock := range map[int]string{100: "migrate", 101: "clone", 102: "backup", 103: ""} {
		w.add(pve.Guest{ID: id, Lock: lock})
	}
	w.cluster.dump = func(_ context.Context, g pve.Guest, to io.Writer) (string, error) {
		if g.ID == 103 {
			w.add(pve.Guest{ID: 100, Node: "ebony"})
		}
		return log, archive(g).Write(to)
	}
	results, err := w.backup(t)
	if !errors.Is(err, guestbackup.ErrFailed) {
		t.Error(err)
	}
	for id, want := range map[int]string{100: guestbackup.Done, 101: guestbackup.Failed, 102: guestbackup.Failed, 103: guestbackup.Done} {
		if results[id].Status != want {
			t.Errorf("%+v", results[id])
		}
	}
	if want := []string{"baobab vm-103", "ebony vm-100"}; !reflect.DeepEqual(w.dumps, want) {
		t.Errorf("dumped %q", w.dumps)
	}
	w.tells(t, "vm-100: on baobab: lock migrate: the guest is locked: once more after the other guests of its node")
	if n := strings.Count(w.said.String(), "qm unlock 101"); n != 1 {
		t.Errorf("told %d times:\n%s", n, w.said)
	}
	if last, err := guestbackup.LastAttempt(guestset.MemoryOf(w.layer.State, "madagascar"), guestset.Guest("vm", 100)); err != nil || !last.OK {
		t.Errorf("the last attempt: %+v, %v", last, err)
	}
}
