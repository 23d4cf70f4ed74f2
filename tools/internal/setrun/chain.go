package setrun

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

// compare tells what is wrong with the sets that are here, and keeps what the
// manifest of the new one says of it: its number, and the sets that have
// vanished.
func (f *Folder) compare(problems []catalog.Problem) {
	var err error
	if f.seen, err = state.ReadSeen(f.Seen); err != nil {
		f.Tell.Fail(f.Asset, tell.Hint(err, "make verify compares the sets with each other; remove that file when they are right"))
	}
	chain := catalog.Chain(f.Sets, catalog.Link{Manifest: f.seen.Manifest, SHA256: f.seen.SHA256}, f.seen.Sequence)
	for _, p := range append(problems, chain...) {
		f.Tell.Fail(f.Asset, tell.Hint(p, "make verify says more; this set is left as it is"))
	}
	f.lost = lost(chain)
}

// Unacknowledged are the sets that were gone already when the newest one was
// made, and of which no operator has said that this is known.
func (f *Folder) Unacknowledged() []string {
	if len(f.Sets) == 0 {
		return nil
	}
	return f.Sets[0].Lost
}

// account notes in m which sets are lost. Only what a signed manifest has told
// of can be acknowledged: not what vanished a moment ago.
func (f *Folder) account(m *catalog.Manifest) {
	known := f.Unacknowledged()
	if f.Acknowledge {
		m.Acknowledged = known
	} else {
		m.Lost = slices.Clone(known)
	}
	for _, name := range f.lost {
		if !slices.Contains(known, name) {
			m.Lost = append(m.Lost, name)
		}
	}
}

// Emptied says that there were sets and is none any more, as below a mount point
// where nothing is mounted.
func (f *Folder) Emptied() bool { return f.seen.Sequence > 0 && len(f.Sets) == 0 }

// lost are the manifests that were here and are not.
func lost(chain []catalog.Problem) []string {
	var names []string
	for _, p := range chain {
		if errors.Is(p, catalog.ErrRemoved) {
			names = append(names, p.Name)
		}
	}
	return names
}

// Instant is the time of a new set: now, or, where something in the folder has
// that name already, the next free second.
func (f *Folder) Instant(ctx context.Context, now time.Time) (time.Time, error) {
	at := now.UTC().Truncate(time.Second)
	if len(f.Sets) > 0 && f.Sets[0].Time.After(at) {
		f.Tell.Warn(f.Asset, "the newest set, %s, is from the future: this clock or the one before is wrong", f.Sets[0].Name())
	}
	entries, err := f.Store.List(ctx, "")
	if err != nil {
		return at, err
	}
	for slices.ContainsFunc(entries, func(e store.Entry) bool { return catalog.BelongsTo(e.Name, at) }) {
		at = at.Add(time.Second)
	}
	return at, nil
}
