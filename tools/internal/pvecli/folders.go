package pvecli

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/railiance/railiance/tools/internal/catalog"
	"github.com/railiance/railiance/tools/internal/guestset"
	"github.com/railiance/railiance/tools/internal/plugin"
	"github.com/railiance/railiance/tools/internal/state"
	"github.com/railiance/railiance/tools/internal/store"
)

// folder is what a site holds of one guest or node.
type folder struct {
	place    place
	subject  guestset.Subject
	store    store.Store
	sets     []catalog.Set // the newest first
	problems []catalog.Problem
	err      error // it could not be read
}

// readers is how many folders of a site are read at once: a site far away
// answers each question late.
const readers = 8

// folders reads what every site holds of those who are asked for: all of them
// where none are named. Folders that are known from before and gone are among
// them, empty.
func (e *estate) folders(ctx context.Context, args []string) ([]folder, error) {
	wanted, err := wantedOf(args)
	if err != nil {
		return nil, err
	}
	var all []folder
	for _, p := range e.places {
		subjects, err := e.subjects(ctx, p)
		if err != nil {
			e.breaks(p.name, err)
			e.unread = append(e.unread, p.name)
			continue
		}
		var some []folder
		for _, s := range subjects {
			if wanted(s) {
				some = append(some, folder{place: p, subject: s})
			}
		}
		e.read(ctx, some)
		all = append(all, some...)
	}
	if err := ctx.Err(); err != nil {
		return nil, context.Cause(ctx)
	}
	slices.SortStableFunc(all, func(a, b folder) int { return order(a.subject, b.subject) })
	if len(args) > 0 && len(all) == 0 && e.broken == 0 {
		return nil, fmt.Errorf("no site holds a backup of %s", strings.Join(args, ", "))
	}
	return all, nil
}

// order is by kind, then by number, as people count.
func order(a, b guestset.Subject) int {
	rank := map[string]int{guestset.VM: 0, guestset.CT: 0, guestset.Node: 1}
	if d := rank[a.Kind] - rank[b.Kind]; d != 0 {
		return d
	}
	if a.ID != b.ID {
		return a.ID - b.ID
	}
	return strings.Compare(a.String(), b.String())
}

// wantedOf tells who is asked for by arguments as 100, vm-100 or node-baobab.
func wantedOf(args []string) (func(guestset.Subject) bool, error) {
	for _, arg := range args {
		if _, err := strconv.Atoi(arg); err == nil {
			continue
		}
		if _, err := guestset.Parse(arg); err != nil {
			return nil, &plugin.Usage{Err: fmt.Errorf("%q is neither the number of a guest nor the name of a folder, as vm-100 or node-baobab", arg)}
		}
	}
	return func(s guestset.Subject) bool {
		return len(args) == 0 || slices.Contains(args, s.String()) || s.Kind != guestset.Node && slices.Contains(args, strconv.Itoa(s.ID))
	}, nil
}

// subjects are the folders of a site, those of its memory included.
func (e *estate) subjects(ctx context.Context, p place) ([]guestset.Subject, error) {
	names, err := p.site.Names(ctx)
	if err != nil {
		return nil, err
	}
	found := map[guestset.Subject]bool{}
	for _, name := range names {
		s, err := guestset.Parse(name)
		if err != nil {
			e.Tell.Warn(p.name, "%s is not ours", strconv.QuoteToGraphic(name))
			continue
		}
		found[s] = true
	}
	if !p.copy {
		known, err := e.memory.Known(p.name)
		if err != nil {
			return nil, err
		}
		for _, s := range known {
			found[s] = true
		}
	}
	var all []guestset.Subject
	for s := range found {
		all = append(all, s)
	}
	slices.SortFunc(all, order)
	return all, nil
}

func (e *estate) read(ctx context.Context, all []folder) {
	var busy sync.WaitGroup
	turn := make(chan struct{}, readers)
	for i := range all {
		busy.Add(1)
		turn <- struct{}{}
		go func() {
			defer func() { <-turn; busy.Done() }()
			f := &all[i]
			if f.store, f.err = f.place.site.Store(ctx, f.subject.String()); f.err == nil {
				f.sets, f.problems, f.err = guestset.Read(ctx, f.store, e.layer.Name, f.subject, e.trust)
			}
		}()
	}
	busy.Wait()
	for _, f := range all {
		if f.err != nil && ctx.Err() == nil {
			e.breaks(f.title(), f.err)
		}
	}
}

// backups are the sets that hold anything: not the records of what was pruned.
func (f folder) backups() []catalog.Set {
	return slices.DeleteFunc(slices.Clone(f.sets), func(s catalog.Set) bool { return s.OnlyPrunes() })
}

// title is the folder in the story.
func (f folder) title() string { return f.place.name + "/" + f.subject.String() }

// chain is what is wrong between the sets, and between them and what was there.
func (e *estate) chain(f folder) ([]catalog.Problem, error) {
	var seen state.Seen
	if !f.place.copy {
		var err error
		if seen, err = state.ReadSeen(e.memory.Seen(f.place.name, f.subject)); err != nil {
			return nil, err
		}
	}
	return catalog.Chain(f.sets, catalog.Link{Manifest: seen.Manifest, SHA256: seen.SHA256}, seen.Sequence), nil
}
