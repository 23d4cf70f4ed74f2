// Package setrun is what every run does with the sets of a folder, whatever is
// in them: it looks at what is there, clears away what a killed run left, gives
// the new set its time and number, publishes it, remembers it, and removes what
// retention lets go.
//
// The one thing to know is the note: it names the set that a run is making and
// is written before the first byte, so that the next run knows what is debris.
// Names alone would not tell a torn set from files that somebody saved there by
// hand.
package setrun

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/railiance/railiance/tools/internal/catalog"
	"github.com/railiance/railiance/tools/internal/state"
	"github.com/railiance/railiance/tools/internal/store"
	"github.com/railiance/railiance/tools/internal/tell"
)

// Folder is a folder of sets during a run that holds the lock.
type Folder struct {
	Store store.Store
	Layer string // what its manifests say in their field layer
	Asset string // whose folder it is, for messages; empty: the layer's own
	Seen  string // file that remembers the newest set, outside of the folder
	Note  string // file that says which set is being made
	Keys  Keys
	Tell  *tell.Teller
	Now   func() time.Time
	// Many says that it is one of many folders: of its sets only those that go
	// are told of.
	Many bool
	// Acknowledge says that the operator knows of every set that manifests have
	// told of as lost.
	Acknowledge bool
	// Read returns the sets of the folder, as catalog.Read does.
	Read func(context.Context) ([]catalog.Set, []catalog.Problem, error)
	// Drafts removes the drafts that killed runs left, and names them.
	Drafts func(context.Context) ([]string, error)

	// Sets are what the folder holds, the newest first. Open fills them in.
	Sets []catalog.Set

	seen state.Seen
	lost []string
	left []time.Time // of unfinished sets that could not be swept
}

// Open looks at the folder, sweeps it and tells of everything in it that is not
// as it should be: a new set is needed the more then. It is not clean when
// debris remains that could not be removed, which was told.
func (f *Folder) Open(ctx context.Context) (clean bool, err error) {
	sets, _, err := f.Read(ctx)
	if err != nil {
		return false, err
	}
	clean = f.sweep(ctx, sets)
	// What is debris is gone now, and no problem any more.
	sets, problems, err := f.Read(ctx)
	if err != nil {
		return false, err
	}
	f.Sets = sets
	f.compare(problems)
	return clean, nil
}

// Manifest is that of a new set of time t, so far without artifacts.
func (f *Folder) Manifest(t time.Time, tool string) *catalog.Manifest {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	m := &catalog.Manifest{
		Format: catalog.Format, Layer: f.Layer, Host: host, Sequence: f.seen.Sequence + 1, Time: t, Tool: tool,
	}
	f.account(m)
	if len(f.Sets) > 0 {
		link := f.Sets[0].Link()
		m.Previous = &link
		m.Sequence = max(m.Sequence, f.Sets[0].Sequence+1)
	}
	for _, s := range f.Sets {
		m.Present = append(m.Present, s.Link())
	}
	return m
}

// Retain says of m and of every older set whether it stays, and notes in m what
// goes.
func (f *Folder) Retain(m *catalog.Manifest, keep catalog.Keep) []catalog.Verdict {
	verdicts := catalog.Retain(append([]catalog.Set{{Manifest: m}}, f.Sets...), keep, f.Now())
	for _, v := range verdicts {
		if v.Goes() {
			m.Prunes = append(m.Prunes, v.Set.Name())
		}
	}
	return verdicts
}

// Publish writes the manifest and its signature, which makes a set of what was
// stored. The error of Remember is to be told, but leaves the set as it is.
func (f *Folder) Publish(ctx context.Context, m *catalog.Manifest) (catalog.Link, error) {
	link, err := catalog.Write(ctx, f.Store, m, f.Keys.Signer)
	if err == nil {
		for _, name := range m.Acknowledged {
			f.Tell.Say(f.Asset, "acknowledged: %s is gone, and is told of no more", name)
		}
	}
	return link, err
}

// Remember notes outside of the folder which set is its newest.
func (f *Folder) Remember(m *catalog.Manifest, link catalog.Link) error {
	return state.WriteSeen(f.Seen, state.Seen{Sequence: m.Sequence, Manifest: link.Manifest, SHA256: link.SHA256, Time: f.Now().UTC()})
}

// Prune removes the sets that go and tells of each why it stays or goes.
// It returns the names of those that are gone.
func (f *Folder) Prune(ctx context.Context, verdicts []catalog.Verdict) ([]string, error) {
	var gone []string
	var errs []error
	for _, v := range verdicts {
		if !v.Goes() && f.Many {
			continue
		}
		if !v.Goes() {
			f.Tell.Say(f.Asset, "kept %s: %s", v.Set.Name(), strings.Join(v.Reasons, ", "))
			continue
		}
		if err := catalog.Remove(ctx, f.Store, v.Set); err != nil {
			errs = append(errs, fmt.Errorf("prune %s: %w", v.Set.Name(), err))
			continue
		}
		gone = append(gone, v.Set.Name())
		f.Tell.Say(f.Asset, "pruned %s: no rule keeps it", v.Set.Name())
	}
	return gone, errors.Join(errs...)
}

// Abandon takes back whatever a run has stored for the set of time t. It does so
// also when the run was stopped.
func (f *Folder) Abandon(ctx context.Context, t time.Time) error {
	if err := f.clear(ctx, t); err != nil {
		return err // the note stays: the next run sweeps
	}
	return f.End()
}

// clear removes what was stored for the set of time t so that it stops being one
// first. It goes by the names that there are: of a Put that failed nobody knows
// what it has published.
func (f *Folder) clear(ctx context.Context, t time.Time) error {
	ctx, cancel := context.WithTimeoutCause(context.WithoutCancel(ctx), abandonWithin, errors.New("the store does not answer"))
	defer cancel()
	if err := catalog.Remove(ctx, f.Store, &catalog.Manifest{Time: t}); err != nil {
		return err
	}
	_, err := f.removeSet(ctx, t)
	return err
}

// abandonWithin is how long a run that is to stop may clean up.
const abandonWithin = 30 * time.Second
