package tbdeploy

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/railiance/railiance/tools/internal/host"
	"github.com/railiance/railiance/tools/internal/tell"
	"github.com/railiance/railiance/tools/internal/thunderbolt"
)

// What became of a deployment.
const (
	Nothing   = "nothing to do"
	Shown     = "shown"
	Confirmed = "confirmed"
	Undone    = "undone"
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
	Force     bool // also where the ring is open elsewhere
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
}

// ErrRefused says that nothing was changed, since something spoke against it.
var ErrRefused = errors.New("nothing was changed")

func refuse(err error) error { return fmt.Errorf("%w: %w", ErrRefused, err) }

// Run does it. The result is of use with an error, too.
func (d *Deployment) Run(ctx context.Context) (r Result, err error) {
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
	// What was edited is shown with the changes before it is refused.
	if edited := found.edited(files); len(edited) > 0 && !d.Overwrite {
		return r, refuse(tell.Hint(fmt.Errorf("%s: was edited by hand since it was deployed, or was not made by tb-deploy: %s", d.Node, strings.Join(edited, ", ")),
			"put what matters into the context, then deploy with --overwrite: what is there now is kept on the node"))
	}
	if err := found.conflicts(d.Plan, d.Node); err != nil && !d.Rollback {
		return r, refuse(fmt.Errorf("%s: %w", d.Node, err))
	}
	if len(r.Changes) == 0 && !touches(r.Before.Faults, d.Node) && !found.pending {
		return r, nil
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
	if err := d.begin(ctx, remote, files); err != nil {
		return r, refuse(err)
	}
	r.Outcome = Undone
	// Two that began at the same moment see each other now at the latest.
	if err := d.othersAtRest(ctx); err != nil {
		return r, d.undo(ctx, remote, err)
	}
	if r.After, err = d.try(ctx, remote, r.Before); err != nil {
		return r, d.undo(ctx, remote, err)
	}
	if _, err := d.call(ctx, remote, "", "confirm"); err != nil {
		return r, d.undo(ctx, remote, fmt.Errorf("confirmation: %w", err))
	}
	r.Outcome, r.Sums = Confirmed, map[string]string{}
	for _, f := range files {
		if !f.Gone {
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
		found, err := look(limited, remote, paths)
		cancel()
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", h.Target, err))
			continue
		}
		if found.held {
			return remote, nil, nil, tell.Hint(fmt.Errorf("%s: another deployment is going on, or waits for its confirmation", d.Node), "it ends by itself, at the latest when its time is over")
		}
		if d.Rollback {
			if found.kept == "" {
				return remote, nil, nil, fmt.Errorf("%s: nothing was deployed that could be rolled back", d.Node)
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

// openElsewhere says why another node cannot spare this one.
func (d *Deployment) openElsewhere(before thunderbolt.Diagnosis) error {
	var why []string
	for _, c := range before.Ring {
		if c.State == thunderbolt.Broken && c.Cable[0].Node != d.Node && c.Cable[1].Node != d.Node {
			why = append(why, fmt.Sprintf("the cable %s does not carry", c.Cable))
		}
	}
	for _, n := range before.Nodes {
		if n.Name != d.Node && n.State != "seen" {
			why = append(why, fmt.Sprintf("%s could not be looked at (%s)", n.Name, n.State))
		}
	}
	if len(why) == 0 {
		return nil
	}
	return tell.Hint(fmt.Errorf("the ring is open elsewhere, and %s would be cut off while it changes: %s", d.Node, strings.Join(why, "; ")),
		"mend that first, or deploy with --force")
}

// othersAtRest says who else is being changed.
func (d *Deployment) othersAtRest(ctx context.Context) error {
	errs := make([]error, len(d.Plan.Nodes))
	var wg sync.WaitGroup
	for i, n := range d.Plan.Nodes {
		if n.Name == d.Node {
			continue
		}
		wg.Go(func() {
			limited, cancel := context.WithTimeout(ctx, 15*time.Second)
			defer cancel()
			// Who cannot be asked cannot be in the middle of a change of ours that
			// matters here: the ring is open there, or Force was given.
			if found, err := look(limited, d.Reach(n.Hosts[0].Target), nil); err == nil && found.held {
				errs[i] = tell.Hint(fmt.Errorf("%s: a deployment is going on there: one node at a time", n.Name), "it ends by itself, at the latest when its time is over")
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// names are what a script for the node wants: the bridge and the interfaces.
func (d *Deployment) names() []string {
	return append([]string{d.Plan.Bridge}, d.Plan.Node(d.Node).Interfaces...)
}

func (d *Deployment) call(ctx context.Context, remote host.Remote, input, name string, args ...string) (string, error) {
	c := command(name, args...)
	c.Stdin = strings.NewReader(input)
	out, err := host.Output(ctx, remote.Command(c), lookMax)
	if err != nil {
		return string(out), fmt.Errorf("%s: %w", d.Node, err)
	}
	return string(out), nil
}

// begin brings the files to the node and starts its timer. What an earlier
// deployment left behind is undone first.
func (d *Deployment) begin(ctx context.Context, remote host.Remote, files []File) error {
	var b strings.Builder
	for _, name := range []string{"watch", "undo", "confirm"} {
		fmt.Fprintf(&b, "script - %s.sh %s\n", name, base64.StdEncoding.EncodeToString([]byte(script(name))))
	}
	for _, f := range files {
		kind := "file"
		if f.Gone {
			kind = "gone"
		}
		fmt.Fprintf(&b, "%s %s %s %s\n", kind, f.Mode, f.Path, base64.StdEncoding.EncodeToString([]byte(f.Text)))
	}
	b.WriteString("end\n")
	limited, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	out, err := d.call(limited, remote, b.String(), "begin", append([]string{strconv.Itoa(int(d.Window / time.Second))}, d.names()...)...)
	var exit *host.ExitError
	switch {
	case errors.As(err, &exit) && exit.Code == leftover:
		return tell.Hint(fmt.Errorf("%s: an earlier deployment had not come to its end, and was brought to it now", d.Node), "run it again")
	case err != nil:
		return err
	case !strings.Contains(out, "begun\n"):
		return fmt.Errorf("%s: what it answers makes no sense", d.Node)
	}
	d.Tell.Say("", "%s undoes it by itself unless it is confirmed within %s", d.Node, d.Window)
	return nil
}

// leftover is the exit status of begin where it found an unfinished deployment.
const leftover = 76

// try applies it, and waits for a check that is no worse than before. It gives up
// while there is time for the node.
func (d *Deployment) try(ctx context.Context, remote host.Remote, before thunderbolt.Diagnosis) (thunderbolt.Diagnosis, error) {
	began := time.Now()
	limited, cancel := context.WithTimeoutCause(ctx, d.Window, errCutOff)
	defer cancel()
	var args []string
	for _, name := range d.names() {
		if name != "" {
			args = append(args, name)
		}
	}
	out, err := d.call(limited, remote, "", "apply", args...)
	for line := range strings.Lines(out) {
		if strings.HasPrefix(line, "error:") {
			d.Tell.Warn("", "%s: %s", d.Node, host.Printable(strings.TrimSpace(line)))
		}
	}
	if err != nil {
		var ssh *host.SSHError
		if errors.As(err, &ssh) {
			err = fmt.Errorf("%w: %w", errCutOff, err)
		}
		return before, err
	}
	_, delay := timers(len(d.Plan.Nodes))
	settled := time.Duration(2*delay+6) * time.Second
	last := errors.New("there was no time for a check")
	after := before
	for time.Since(began) < d.Window-3*time.Second {
		if after, err = d.Check(limited); err != nil {
			break
		}
		worse := worse(before, after)
		if len(worse) == 0 && (after.Healthy() || time.Since(began) > settled) {
			return after, nil
		}
		if len(worse) > 0 {
			last = fmt.Errorf("it is worse than before: %s", strings.Join(worse, "; "))
		}
		select {
		case <-limited.Done():
		case <-time.After(time.Second):
		}
		if ctx.Err() != nil {
			return after, context.Cause(ctx)
		}
	}
	return after, last
}

var errCutOff = errors.New("the node has not answered since it was changed")

// worse are the faults that were not there before.
func worse(before, after thunderbolt.Diagnosis) []string {
	var all []string
	for _, f := range after.Faults {
		if !slices.ContainsFunc(before.Faults, func(b thunderbolt.Fault) bool { return b.ID() == f.ID() }) {
			all = append(all, f.What)
		}
	}
	return all
}

// undo has the node undo it, or waits until it has done so by itself.
func (d *Deployment) undo(ctx context.Context, remote host.Remote, why error) error {
	d.Tell.Warn("", "%s: %v: it is undone", d.Node, why)
	began := time.Now()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), d.Window+90*time.Second)
	defer cancel()
	for {
		limited, stop := context.WithTimeout(ctx, 10*time.Second)
		_, err := d.call(limited, remote, "", "cancel")
		stop()
		if err == nil {
			found, err := look(ctx, remote, nil)
			if err == nil && !found.pending {
				break
			}
		}
		if ctx.Err() != nil {
			return tell.Hint(errors.Join(why, fmt.Errorf("%s: is not reached, and it could not be seen that it was undone", d.Node)), "look at its console, and at /var/lib/railiance/thunderbolt there")
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
	}
	d.Tell.Say("", "%s: it was undone, and the node is reached, %s later", d.Node, time.Since(began).Round(time.Second))
	return fmt.Errorf("%s: was undone: %w", d.Node, why)
}

func touches(faults []thunderbolt.Fault, node string) bool {
	return slices.ContainsFunc(faults, func(f thunderbolt.Fault) bool {
		return f.Node == node || f.Cable != nil && (f.Cable[0].Node == node || f.Cable[1].Node == node)
	})
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// Write writes changes for a person.
func Write(w io.Writer, changes []Change) {
	for _, c := range changes {
		fmt.Fprintf(w, "%s: %s\n", c.Path, c.What)
		for line := range strings.Lines(c.Diff) {
			fmt.Fprintf(w, "    %s", line)
		}
	}
}
