package backup

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/railiance/railiance/tools/internal/catalog"
	"github.com/railiance/railiance/tools/internal/state"
	"github.com/railiance/railiance/tools/internal/store"
	"github.com/railiance/railiance/tools/internal/tell"
)

// compare tells what is wrong with the sets that are here, and returns the
// memory of the newest one and the sets that have vanished. A new set is made
// all the same: it is needed the more.
func (r *Run) compare(sets []catalog.Set, problems []catalog.Problem) (state.Seen, []string) {
	seen, err := state.ReadSeen(r.Layer.Seen)
	if err != nil {
		r.Tell.Fail("", tell.Hint(err, "make verify compares the sets with each other; remove that file when they are right"))
	}
	chain := catalog.Chain(sets, catalog.Link{Manifest: seen.Manifest, SHA256: seen.SHA256}, seen.Sequence)
	for _, p := range append(problems, chain...) {
		r.Tell.Fail("", tell.Hint(p, "make verify says more; this set is left as it is"))
	}
	return seen, lost(sets, chain)
}

// lost are the manifests that were here and are not, without those that an
// older manifest has told of already.
func lost(sets []catalog.Set, chain []catalog.Problem) []string {
	var names []string
	for _, p := range chain {
		if !errors.Is(p, catalog.ErrRemoved) {
			continue
		}
		if told := slices.ContainsFunc(sets, func(s catalog.Set) bool { return slices.Contains(s.Lost, p.Name) }); !told {
			names = append(names, p.Name)
		}
	}
	return names
}

// instant is the time of the new set: now, or, where a set or the note of a
// run has that name already, the next free second.
func (r *Run) instant(ctx context.Context, sets []catalog.Set) time.Time {
	at := r.Now().UTC().Truncate(time.Second)
	if len(sets) > 0 && sets[0].Time.After(at) {
		r.Tell.Warn("", "the newest set, %s, is from the future: this clock or the one before is wrong", sets[0].Name())
	}
	taken := func(t time.Time) bool {
		entries, err := r.dir.List(ctx, "")
		return err == nil && slices.ContainsFunc(entries, func(e store.Entry) bool { return catalog.BelongsTo(e.Name, t) })
	}
	for taken(at) {
		at = at.Add(time.Second)
	}
	return at
}
