package guestbackup_test

import (
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/railiance/railiance/tools/internal/guestbackup"
	"github.com/railiance/railiance/tools/internal/guestset"
	"github.com/railiance/railiance/tools/internal/pve"
)

// killed is an attempt that ends as if its process were killed: nobody writes
// down how.
func (w *world) killed(t *testing.T, s guestset.Subject) {
	t.Helper()
	run, gone := w.run(t), make(chan struct{})
	go func() {
		defer close(gone)
		_ = run.Attempt(s, func() error { runtime.Goexit(); return nil })
	}()
	<-gone
}

// A run that was killed is just repeated. What it had made in every site is a
// backup like others, and what is older than the attempt says nothing of it.
func TestASkipAfterAnAttemptThatFailed(t *testing.T) {
	s := guestset.Guest("vm", 100)
	for name, c := range map[string]struct {
		before, after time.Duration // the sets, and the repetition, from the attempt
		lost          bool          // one site lost the set of the attempt
		ok            bool
	}{
		"made by the attempt":             {after: time.Hour, ok: true},
		"newer than the attempt":          {before: -time.Hour, after: 2 * time.Hour, ok: true},
		"older than the attempt":          {before: time.Hour, after: time.Hour},
		"made by the attempt, but in one": {after: time.Hour, lost: true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, t.TempDir(), "  default: {keep: {last: 10}}\n")
			w.add(pve.Guest{ID: 100})
			memory := guestset.MemoryOf(w.layer.State, "madagascar")
			begun := w.now.Add(700 * time.Millisecond)
			if c.lost {
				w.now = begun.Add(-2 * time.Hour)
				w.nights(t, 1)
			}
			w.now = begun
			w.killed(t, s)
			asKilled, err := os.ReadFile(memory.Last(s))
			if err != nil {
				t.Fatal(err)
			}
			sites := w.sites
			if c.lost {
				w.sites = w.sites[:1]
			}
			w.now = begun.Add(-c.before)
			w.nights(t, 1)
			w.sites = sites
			if err := os.WriteFile(memory.Last(s), asKilled, 0o600); err != nil {
				t.Fatal(err)
			}
			w.now = begun.Add(c.after)
			run := w.run(t)
			run.IfOlderThan = 20 * time.Hour
			results, err := run.Do(t.Context(), w.all(), false)
			if err != nil || results[0].Status != guestbackup.Skipped {
				t.Fatalf("%v: %+v\n%s", err, results, w.said)
			}
			if last, err := guestbackup.LastAttempt(memory, s); err != nil || last.OK != c.ok {
				t.Errorf("the last attempt: %+v, %v", last, err)
			}
			pruned, err := w.run(t).Prune(t.Context(), w.kept(w.layer.Guests.For(100, nil, "").Keep), true)
			if err != nil || strings.Contains(pruned[0].Refused, "killed") == c.ok {
				t.Errorf("%v: %+v", err, pruned)
			}
		})
	}
}

// What cannot be read is no word of success.
func TestASkipAfterAnAttemptThatCannotBeRead(t *testing.T) {
	w := newWorld(t, t.TempDir(), "")
	w.add(pve.Guest{ID: 100})
	w.nights(t, 1)
	w.now = w.now.Add(-23 * time.Hour)
	if err := os.WriteFile(guestset.MemoryOf(w.layer.State, "madagascar").Last(guestset.Guest("vm", 100)), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	run := w.run(t)
	run.IfOlderThan = 20 * time.Hour
	results, err := run.Do(t.Context(), w.all(), false)
	if err == nil || results[0].Status != guestbackup.Failed || !strings.Contains(results[0].Why, "cannot be read") {
		t.Errorf("%v: %+v", err, results)
	}
}
