package tbdeploy

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/railiance/railiance/tools/internal/host"
	"github.com/railiance/railiance/tools/internal/state"
	"github.com/railiance/railiance/tools/internal/tell"
	"github.com/railiance/railiance/tools/internal/thunderbolt"
)

// What became of a deployment.
const (
	Nothing   = "nothing to do"
	Shown     = "shown"
	Confirmed = "confirmed"
	Undone    = "undone"
	Refused   = "refused"
	Cleared   = "cleared up" // what an earlier one had left; this one was not begun
	Unknown   = "not known"  // the node could not be asked, or could not undo it
)

// DefaultWindow is how long the node waits for its confirmation.
const DefaultWindow = 90 * time.Second

// Deployment is one node, and what is to be done to it.
type Deployment struct {
	Plan      thunderbolt.Plan
	Node      string
	Paths     map[string]string // of the node's interfaces, as Files wants them
	DryRun    bool
	Rollback  bool // to what was there before the last deployment
	Overwrite bool // what somebody edited
	Force     bool // also where the ring is open elsewhere, or the bridge loses members
	Window    time.Duration

	Reach func(target string) host.Remote
	Check func(context.Context) (thunderbolt.Diagnosis, error) // a fresh one of all nodes
	Tell  *tell.Teller
	Show  func([]Change) // called before anything is changed
}

// Result is how it went.
type Result struct {
	Node    string                `json:"node"`
	Outcome string                `json:"outcome"`
	Changes []Change              `json:"changes"`
	Sums    map[string]string     `json:"sha256,omitempty"` // of what was deployed, by path
	Before  thunderbolt.Diagnosis `json:"before"`
	After   thunderbolt.Diagnosis `json:"after"`

	// Earlier is what became of an earlier one that had not come to its end, and
	// was brought to it: Confirmed or Undone; empty: there was none.
	Earlier string `json:"earlier,omitempty"`

	// Revealed are the faults after it that others had hidden before.
	Revealed []thunderbolt.Fault `json:"revealed,omitempty"`
}

// ErrRefused says that nothing was changed, since something spoke against it.
var ErrRefused = errors.New("nothing was changed")

func refuse(err error) error { return fmt.Errorf("%w: %w", ErrRefused, err) }

// Run does it. The result is of use with an error, too.
func (d *Deployment) Run(ctx context.Context) (r Result, err error) {
	defer func() {
		if errors.Is(err, ErrRefused) {
			r.Outcome = Refused
		}
	}()
	r = Result{Node: d.Node, Outcome: Nothing}
	if r.Before, err = d.Check(ctx); err != nil {
		return r, err
	}
	r.After = r.Before
	remote, found, files, err := d.look(ctx)
	if err != nil {
		return r, refuse(err)
	}
	for _, f := range files {
		if c, differs := change(f, found.files[f.Path]); differs {
			r.Changes = append(r.Changes, c)
		}
	}
	d.Show(r.Changes)
	if found.pending {
		d.Tell.Warn("", "%s: an earlier deployment has not come to its end: it is brought to that first, and what differs may be its doing", d.Node)
	}
	// What was edited is shown with the changes before it is refused. Where an
	// earlier deployment is not at its end, the files are its own, as far as can be
	// known; it is brought to its end, and no more than that is done.
	if edited := found.edited(files); len(edited) > 0 && !d.Overwrite && !found.pending {
		out := "put what matters into the context, then deploy with --overwrite"
		if d.Rollback {
			out = "look at what would be lost, then roll back with --rollback --overwrite"
		}
		return r, refuse(tell.Hint(fmt.Errorf("%s: was edited by hand since it was deployed, or was not made by tb-deploy: %s", d.Node, strings.Join(edited, ", ")),
			"%s: what is there now is kept on the node", out))
	}
	if err := found.conflicts(d.Plan, d.Node, d.Paths); err != nil && !d.Rollback {
		return r, refuse(fmt.Errorf("%s: %w", d.Node, err))
	}
	if len(r.Changes) == 0 && !touches(r.Before.Faults, d.Node) && !found.pending {
		return r, nil
	}
	if err := d.takes(found, files); err != nil {
		return r, refuse(fmt.Errorf("%s: %w", d.Node, err))
	}
	if d.DryRun {
		r.Outcome = Shown
		return r, nil
	}
	if err := d.openElsewhere(r.Before); err != nil && !d.Force {
		return r, refuse(err)
	}
	if err := d.othersAtRest(ctx); err != nil {
		return r, refuse(err)
	}
	if r.Earlier, err = d.begin(ctx, remote, files); r.Earlier != "" {
		r.Outcome = Cleared
		return r, err
	}
	if err != nil {
		return r, refuse(err)
	}
	r.Outcome = Unknown
	undo := func(why error) error {
		r.Outcome, err = d.undo(ctx, remote, found.kept, why)
		return err
	}
	// Two that began at the same moment see each other now at the latest.
	if err := d.othersAtRest(ctx); err != nil {
		return r, undo(err)
	}
	if r.After, err = d.try(ctx, remote, r.Before); err != nil {
		return r, undo(err)
	}
	if err := d.confirm(ctx, remote, found.kept); err != nil {
		if err := undo(err); r.Outcome != Confirmed {
			return r, err
		}
	}
	_, r.Revealed = appeared(r.Before, r.After)
	r.Outcome, r.Sums = Confirmed, map[string]string{}
	for _, f := range files {
		if !f.Gone && (f.Link == "" || f.Text != "") {
			r.Sums[f.Path] = sum(f.Text)
		}
	}
	return r, nil
}

// look looks at the node, by the first of its hosts that answers, and says which
// files it should have.
func (d *Deployment) look(ctx context.Context) (host.Remote, *node, []File, error) {
	n := d.Plan.Node(d.Node)
	files, err := Files(d.Plan, d.Node, d.Paths)
	if err != nil {
		return host.Remote{}, nil, nil, err
	}
	// A .link of an interface whose place the context no longer tells would go on
	// to name it.
	for _, i := range n.Interfaces {
		if d.Paths[i] == "" {
			files = append(files, File{Path: fmt.Sprintf(linkPath, i), Mode: "0644", Gone: true})
		}
	}
	var paths []string
	for _, f := range files {
		paths = append(paths, f.Path)
	}
	var errs []error
	for _, h := range n.Hosts {
		remote := d.Reach(h.Target)
		limited, cancel := context.WithTimeout(ctx, 30*time.Second)
		found, err := look(limited, remote, d.Plan.Bridge, paths)
		cancel()
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", h.Target, err))
			continue
		}
		if found.held {
			return remote, nil, nil, tell.Hint(fmt.Errorf("%s: another deployment is going on, or waits for its confirmation: %w", d.Node, state.ErrHeld), "it ends by itself, at the latest when its time is over")
		}
		if d.Rollback {
			if found.kept == "" {
				return remote, nil, nil, fmt.Errorf("%s: nothing was deployed that could be rolled back", d.Node)
			}
			if len(found.lost) > 0 {
				return remote, nil, nil, fmt.Errorf("%s: what was there before is lost: %s", d.Node, host.Printable(strings.Join(found.lost, ", ")))
			}
			files = found.before
			for _, f := range files {
				if _, known := found.files[f.Path]; !known {
					return remote, nil, nil, tell.Hint(fmt.Errorf("%s: what was there before has %s, which is of an interface that the context no longer has", d.Node, f.Path), "put the context back as it was")
				}
			}
		}
		return remote, found, files, nil
	}
	return host.Remote{}, nil, nil, errors.Join(errs...)
}
