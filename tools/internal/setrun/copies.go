package setrun

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/railiance/railiance/tools/internal/catalog"
	"github.com/railiance/railiance/tools/internal/store"
)

// Copies makes one set in several folders at once, with the same artifacts to
// the byte in each. A folder in which something fails is dropped, told of and
// cleaned; the others go on.
type Copies struct {
	Tool string // for the manifests
	All  []*Copy
	Time time.Time // of the set; Begin sets it

	Another Another // which tells that a set is of something else than one before it

	// Stall is how long a folder may take nothing before it is dropped; 0:
	// DefaultStall.
	Stall time.Duration
}

// Copy is one of the folders.
type Copy struct {
	Site   string // its name
	Place  store.Site
	Folder *Folder

	Err     error             // why it was dropped: it has no set of this run
	Set     *catalog.Manifest // that it has
	Link    catalog.Link      // of Set
	Trouble error             // with what follows a set: memory, pruning
	Pruned  []string
	Waited  time.Duration // that the stream waited for it

	begun  bool
	behind bool // a Put was left behind that may publish yet
}

// ErrNoSite says that every folder was dropped, each told of.
var ErrNoSite = errors.New("no site is left to write to")

// Living are those that were not dropped.
func (c *Copies) Living() []*Copy {
	var living []*Copy
	for _, one := range c.All {
		if one.Err == nil {
			living = append(living, one)
		}
	}
	return living
}

// Open opens every folder. want says how many bytes the set is likely to have,
// from what the folder held so far.
func (c *Copies) Open(ctx context.Context, want func(*Folder) int64) error {
	c.each(func(one *Copy) error {
		if err := one.Place.Check(ctx, 0); err != nil {
			return err
		}
		clean, err := one.Folder.Open(ctx)
		if err != nil {
			return err
		}
		if !clean {
			one.Trouble = errors.New("what a killed run left remains")
		}
		if one.Folder.Emptied() {
			one.Trouble = errors.Join(one.Trouble, errors.New("every set that was there is gone: is this the right disk?"))
		}
		if want == nil {
			return nil
		}
		return one.Place.Check(ctx, want(one.Folder))
	})
	return c.left()
}

// Begin gives the set a time that is free everywhere, and notes it.
func (c *Copies) Begin(ctx context.Context, now time.Time) error {
	for at, settled := now, false; !settled; {
		settled = true
		for _, one := range c.Living() {
			free, err := one.Folder.Instant(ctx, at)
			if err != nil {
				one.drop(err)
				continue
			}
			settled = settled && (at == now || free.Equal(at))
			at = free
		}
		c.Time = at
	}
	c.each(func(one *Copy) error {
		one.begun = true
		return one.Folder.Begin(c.Time)
	})
	return c.left()
}

// Publish makes the set of what was put, and then prunes by keep, unless there
// is Doubt of the new set.
func (c *Copies) Publish(ctx context.Context, artifacts []catalog.Artifact, findings []catalog.Finding, keep catalog.Keep, counts ...Count) error {
	c.each(func(one *Copy) error {
		f := one.Folder
		m := f.Manifest(c.Time, c.Tool)
		m.Artifacts, m.Findings = artifacts, append([]catalog.Finding(nil), findings...)
		var verdicts []catalog.Verdict
		if why, doubtful := Doubt(m, f.Sets, c.Another, counts...); doubtful {
			f.Tell.Warn(f.Asset, "%s", why)
		} else {
			verdicts = f.Retain(m, keep)
		}
		link, err := f.Publish(ctx, m)
		if err != nil {
			return err
		}
		one.Set, one.Link = m, link
		one.trouble(f.Remember(m, link))
		one.Pruned, err = f.Prune(ctx, verdicts)
		one.trouble(err)
		one.trouble(f.End())
		return nil
	})
	return c.left()
}

// Clean takes back what is in the folders that have no set: in those that were
// dropped, and in all of them where there is none.
func (c *Copies) Clean(ctx context.Context) {
	var wg sync.WaitGroup
	for _, one := range c.All {
		if one.Set != nil || !one.begun {
			continue
		}
		wg.Go(func() {
			abandon := one.Folder.Abandon
			if one.behind {
				abandon = one.Folder.clear // the note stays, for the next run to look again
			}
			if err := within(abandonWithin, func() error { return abandon(ctx, c.Time) }); err != nil {
				one.Folder.Tell.Warn(one.Folder.Asset, "what is there of the set could not be removed, the next run does: %v", err)
			}
		})
	}
	wg.Wait()
}

// within leaves deed behind when it takes longer: a call to a dead network
// disk cannot be stopped.
func within(d time.Duration, deed func() error) error {
	done := make(chan error, 1)
	go func() { done <- deed() }()
	select {
	case err := <-done:
		return err
	case <-time.After(d):
		return fmt.Errorf("no answer within %s", d)
	}
}

// each does the deed in all living folders at once.
func (c *Copies) each(deed func(*Copy) error) {
	var wg sync.WaitGroup
	for _, one := range c.Living() {
		wg.Go(func() {
			if err := deed(one); err != nil {
				one.drop(err)
			}
		})
	}
	wg.Wait()
}

func (c *Copies) left() error {
	if len(c.Living()) == 0 {
		return ErrNoSite
	}
	return nil
}

func (one *Copy) drop(err error) {
	one.Err = err
	one.Folder.Tell.Fail(one.Folder.Asset, err)
}

func (one *Copy) trouble(err error) {
	if err != nil {
		one.Trouble = errors.Join(one.Trouble, err)
		one.Folder.Tell.Fail(one.Folder.Asset, err)
	}
}
