package pvecli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"filippo.io/age"

	"github.com/railiance/railiance/tools/internal/catalog"
	"github.com/railiance/railiance/tools/internal/guestrestore"
	"github.com/railiance/railiance/tools/internal/guestset"
	"github.com/railiance/railiance/tools/internal/host"
	"github.com/railiance/railiance/tools/internal/plugin"
	"github.com/railiance/railiance/tools/internal/tell"
)

// chosen is a set to take a guest from, and where copies of it are.
type chosen struct {
	subject guestset.Subject
	copies  []held
	newest  bool // no newer complete set is known
}

// held is a set in the folder of one site.
type held struct {
	folder
	set catalog.Set
}

func (c chosen) set() catalog.Set { return c.copies[0].set }

// choose finds the set that is asked for: the newest complete one that any site
// holds, or the one of that time. What is wrong with others is told, and does
// not stop anybody who needs this one.
func (e *estate) choose(ctx context.Context, guest string, at time.Time) (chosen, error) {
	folders, err := e.folders(ctx, []string{guest})
	if err != nil {
		return chosen{}, err
	}
	return e.chooseFrom(folders, guest, at)
}

func (e *estate) chooseFrom(folders []folder, guest string, at time.Time) (chosen, error) {
	var c chosen
	var problems []catalog.Problem
	for _, f := range folders {
		if f.err != nil {
			continue
		}
		if c.subject != (guestset.Subject{}) && c.subject != f.subject {
			return c, &plugin.Usage{Err: fmt.Errorf("%s is %s and %s: name one of them", guest, c.subject, f.subject)}
		}
		c.subject = f.subject
		odd, err := e.chain(f)
		if err != nil {
			return c, err
		}
		for _, p := range append(odd, f.problems...) {
			problems = append(problems, p)
			e.Tell.Warn(f.title(), "%s", tell.Line(p.Error()))
		}
		set, ok := f.pick(at)
		if !ok {
			continue
		}
		c.add(held{f, set})
	}
	if len(c.copies) == 0 {
		return c, tell.Hint(fmt.Errorf("there is no such set of %s under a signature that is trusted", guest), "list shows what there is")
	}
	c.newest = c.isNewest(folders)
	// A newer set that is gone makes this one old: somebody may have put an
	// older copy of the folder back.
	for _, p := range problems {
		if at.IsZero() && errors.Is(p, catalog.ErrRemoved) && p.Name > c.set().Name() {
			return c, tell.Hint(p, "who knows why names the set by its time: --at %s", c.set().Time.Format(catalog.TimeLayout))
		}
	}
	return c, nil
}

func (c chosen) isNewest(folders []folder) bool {
	for _, f := range folders {
		if newest, has := catalog.NewestComplete(f.backups()); has && newest.Time.After(c.set().Time) {
			return false
		}
	}
	return true
}

// add takes a copy of the newest set of those that are given.
func (c *chosen) add(h held) {
	switch {
	case len(c.copies) == 0 || h.set.Time.After(c.set().Time):
		c.copies = []held{h}
	case h.set.Time.Equal(c.set().Time):
		c.copies = append(c.copies, h)
	}
}

// from does a deed with one copy after the other until one can be relied upon.
func (e *estate) from(ctx context.Context, c chosen, keys []age.Identity, do func(guestrestore.Source) error) error {
	var last error
	for i, h := range c.copies {
		if i > 0 {
			e.Tell.Fail(c.copies[i-1].title(), last)
		}
		e.Tell.Say(c.subject.String(), "from %s in %s (%s), made %s ago by %s", h.set.Name(), h.place.name, host.Printable(h.place.site.Where()),
			tell.Age(e.Now().Sub(h.set.Time)), host.Printable(h.set.Signer.Principal))
		last = do(guestrestore.Source{
			Folder: &watched{Store: h.store, tell: e.Tell, title: h.title()}, Subject: c.subject, Set: h.set, Keys: keys,
		})
		if last == nil || ctx.Err() != nil || !errors.Is(last, guestrestore.ErrSource) {
			return last
		}
	}
	return last
}

// parseGuest refuses what is no guest: a node is not put back by a cluster.
func parseGuest(arg string) error {
	if _, err := wantedOf([]string{arg}); err != nil {
		return err
	}
	if strings.HasPrefix(arg, guestset.Node+"-") {
		return &plugin.Usage{Err: tell.Hint(fmt.Errorf("%s is a node, and no guest", arg), "extract writes out what was saved of a node, with a guide")}
	}
	return nil
}
