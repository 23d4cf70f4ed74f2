package guestbackup

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/railiance/railiance/tools/internal/catalog"
	"github.com/railiance/railiance/tools/internal/guestpolicy"
	"github.com/railiance/railiance/tools/internal/guestset"
	"github.com/railiance/railiance/tools/internal/pve"
	"github.com/railiance/railiance/tools/internal/seal"
	"github.com/railiance/railiance/tools/internal/setrun"
	"github.com/railiance/railiance/tools/internal/spool"
	"github.com/railiance/railiance/tools/internal/store"
	"github.com/railiance/railiance/tools/internal/tell"
)

// Making is the making of one set of a guest, or of a node, in its sites.
type Making struct {
	Subject guestset.Subject
	Copies  *setrun.Copies
	Waited  time.Duration // that the first part has waited for its sites

	run  *Run
	rule guestpolicy.Rule
}

// Part is one artifact of a set.
type Part struct {
	Asset, Kind, Ext string
	// Stream is what is to be encrypted. It is called when the parts before it
	// are in the sites.
	Stream func(ctx context.Context) seal.Stream
	// Describe completes what the manifest says of it, once it is in the sites.
	Describe func(*catalog.Artifact)
}

// Contents are the parts of a set, and what its manifest says besides.
type Contents struct {
	Parts    []Part
	Findings func() []catalog.Finding // asked when all parts are in the sites
}

// Open opens the folders of s in the sites of the rule. Those that fail were
// told of; it is an error when none is left.
func (r *Run) Open(ctx context.Context, s guestset.Subject, rule guestpolicy.Rule) (*Making, error) {
	m := &Making{Subject: s, Copies: r.copies(s, rule), run: r, rule: rule}
	if len(m.Copies.All) == 0 {
		return m, errors.New("none of its sites is among the chosen ones")
	}
	return m, m.Copies.Open(ctx, likely)
}

// copies are the folders of s in the sites of the rule, as far as the run
// writes to them.
func (r *Run) copies(s guestset.Subject, rule guestpolicy.Rule) *setrun.Copies {
	c := &setrun.Copies{Tool: r.Tool, Another: another}
	for _, site := range r.Sites {
		if slices.Contains(rule.Sites, site.Name) {
			c.All = append(c.All, r.copy(s, site))
		}
	}
	return c
}

// copy is the folder of s in the site.
func (r *Run) copy(s guestset.Subject, site Site) *setrun.Copy {
	place := site.Place
	if site.Err != nil {
		place = closed{site.Err}
	}
	f := &setrun.Folder{
		Layer: s.LayerName(r.Layer.Name), Asset: s.String() + "/" + site.Name,
		Seen: r.memory().Seen(site.Name, s), Note: r.memory().Note(site.Name, s),
		Keys: r.keys, Tell: r.Tell, Now: r.Now, Many: true, Acknowledge: r.Acknowledge,
		Drafts: func(ctx context.Context) ([]string, error) { return place.Sweep(ctx, s.String()) },
	}
	f.Read = func(ctx context.Context) ([]catalog.Set, []catalog.Problem, error) {
		var err error
		if f.Store, err = place.Store(ctx, s.String()); err != nil {
			return nil, nil, err
		}
		return guestset.Read(ctx, f.Store, r.Layer.Name, s, r.keys.Trust)
	}
	return &setrun.Copy{Site: site.Name, Place: place, Folder: f}
}

// closed is a site that could not be opened.
type closed struct{ err error }

func (c closed) Store(context.Context, string) (store.Store, error) { return nil, c.err }
func (c closed) Names(context.Context) ([]string, error)            { return nil, c.err }
func (c closed) Check(context.Context, int64) error                 { return c.err }
func (c closed) Sweep(context.Context, string) ([]string, error)    { return nil, c.err }
func (c closed) Where() string                                      { return "nowhere" }

// likely is how many bytes the next set may have: a tenth more than the newest.
func likely(f *setrun.Folder) int64 {
	newest, ok := catalog.NewestComplete(f.Sets)
	if !ok {
		return 0
	}
	n := size(newest.Manifest)
	return n + n/10
}

// clockSlack is how far the clocks of those who make backups may be apart.
const clockSlack = time.Hour

// Fresh says whether every site has a complete set that is younger than d, and,
// where the subject is a guest, of g.
func (m *Making) Fresh(d time.Duration, g *pve.Guest) bool {
	for _, one := range m.Copies.All {
		newest, ok := catalog.NewestComplete(one.Folder.Sets)
		if one.Err != nil || !ok {
			return false
		}
		if g != nil && !Holds(newest.Manifest, *g) {
			return false
		}
		// One from the future would pass for fresh until its time has come.
		if age := m.run.Now().Sub(newest.Time); age >= d || age < -clockSlack {
			return false
		}
	}
	return true
}

// before is the artifact of the newest complete set in any of the sites; the zero
// Artifact when there is none.
func (m *Making) before() (a catalog.Artifact) {
	var at time.Time
	for _, one := range m.Copies.All {
		if set, ok := catalog.NewestComplete(one.Folder.Sets); ok && set.Time.After(at) {
			at = set.Time
			a, _ = set.Artifact(m.Subject.String())
		}
	}
	return a
}

// Make makes the set. After an error no site has it; a site that failed alone
// was told of, and stands in Copies.
func (m *Making) Make(ctx context.Context, c Contents) error {
	if err := m.Copies.Begin(ctx, m.run.Now()); err != nil {
		return err
	}
	var artifacts []catalog.Artifact
	defer m.Copies.Clean(ctx)
	for i, part := range c.Parts {
		a, err := m.put(ctx, part, i == 0)
		if err != nil {
			return err
		}
		artifacts = append(artifacts, a)
	}
	var findings []catalog.Finding
	for _, f := range m.run.Findings {
		f.Asset = m.Subject.String()
		findings = append(findings, f)
	}
	if c.Findings != nil {
		findings = append(findings, c.Findings()...)
	}
	return m.Copies.Publish(ctx, artifacts, findings, m.rule.Keep, counts(artifacts)...)
}

// room is where the set waits for a site that is slower than the guest: the
// guest itself waits for whoever reads its backup.
func (m *Making) room() *spool.Spool {
	if m.rule.Spool.Max == 0 {
		return nil
	}
	room, err := spool.New(m.rule.Spool.Dir, int64(m.rule.Spool.Max))
	if err != nil {
		m.run.Tell.Warn(m.Subject.String(), "goes without a spool: %v", err)
		return nil
	}
	return room
}

// waited tells how long the guest may have stood still for its backup.
func (m *Making) waited(part Part, room *spool.Spool) {
	var waited time.Duration
	var slowest *setrun.Copy
	for _, one := range m.Copies.All {
		waited += one.Waited
		if slowest == nil || one.Waited > slowest.Waited {
			slowest = one
		}
	}
	how := "there is no spool"
	if room != nil {
		stats := room.Stats()
		waited = stats.Waited
		how = fmt.Sprintf("the spool of %s was full", tell.Bytes(stats.Max))
	}
	m.Waited = waited
	if waited > time.Second {
		m.run.Tell.Warn(part.Asset, "%s was slower than the guest, and %s: the guest may have waited %s for its disks; fleecing in layer.yaml, or a larger spool, spares it that",
			slowest.Site, how, waited.Round(100*time.Millisecond))
	}
}

// Failure is what went wrong in single sites, which was told.
func (m *Making) Failure() error {
	var all []error
	for _, one := range m.Copies.All {
		for _, err := range []error{one.Err, one.Trouble} {
			if err != nil {
				all = append(all, fmt.Errorf("%s: %w", one.Site, err))
			}
		}
	}
	return errors.Join(all...)
}

// put stores one part; only the first is large.
func (m *Making) put(ctx context.Context, part Part, large bool) (catalog.Artifact, error) {
	begin := time.Now()
	name := catalog.ArtifactName(part.Asset, m.Copies.Time, part.Ext)
	to, err := m.run.recipientsOf(m.Subject, name)
	if err != nil {
		return catalog.Artifact{}, err
	}
	var room *spool.Spool
	if large {
		room = m.room()
	}
	var sum seal.Sum
	if err := m.Copies.Put(ctx, name, part.Stream(ctx).Encrypted(to.List...).Measured(&sum), room); err != nil {
		return catalog.Artifact{}, err
	}
	if large {
		m.waited(part, room)
	}
	a := catalog.Artifact{
		Name: name, Asset: part.Asset, Kind: part.Kind, Size: sum.Size, SHA256: sum.SHA256,
		Recipients: to.Strings, PostQuantum: to.PostQuantum, Seconds: time.Since(begin).Seconds(),
	}
	if part.Describe != nil {
		part.Describe(&a)
	}
	return a, nil
}
