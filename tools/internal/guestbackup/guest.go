package guestbackup

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/railiance/railiance/tools/internal/catalog"
	"github.com/railiance/railiance/tools/internal/guestpolicy"
	"github.com/railiance/railiance/tools/internal/guestset"
	"github.com/railiance/railiance/tools/internal/pve"
	"github.com/railiance/railiance/tools/internal/setrun"
	"github.com/railiance/railiance/tools/internal/tell"
)

// SubjectOf is what the folder of a guest is for.
func SubjectOf(g pve.Guest) guestset.Subject { return guestset.Guest(g.Short(), g.ID) }

// putOff is the status of a guest that is tried again.
const putOff = "put off"

// errLater says that what is in the way of a guest passes.
var errLater = errors.New("once more after the other guests of its node")

// passes says whether a lock is of something that ends by itself.
func passes(lock string) bool {
	return slices.Contains([]string{"create", "clone", "migrate", "snapshot", "snapshot-delete", "rollback", "disk"}, lock)
}

// one backs one guest up, which stood in the inventory as g. Where again, one
// that a passing lock holds may be put off.
func (r *Run) one(ctx context.Context, g pve.Guest, nodes *nodes, again bool) Result {
	subject, rule := SubjectOf(g), r.Layer.Guests.For(g.ID, g.Tags, g.Pool)
	result := Result{Guest: g.ID, Type: g.Type, Name: g.Name, Node: g.Node, Folder: subject.String()}
	if ctx.Err() != nil {
		result.Status, result.Why = Failed, "the run was stopped before its turn"
		return result
	}
	return r.One(ctx, subject, rule, &g, result, func(ctx context.Context, m *Making, result *Result) error {
		err := r.follow(ctx, m, g, rule, nodes, result)
		if locked := (*lockedError)(nil); again && errors.As(err, &locked) && passes(locked.lock) {
			return fmt.Errorf("%w: %w", err, errLater)
		}
		return err
	})
}

// lockedError is a guest that Proxmox holds.
type lockedError struct{ node, lock string }

func (e *lockedError) Error() string {
	return fmt.Sprintf("on %s: lock %s: %v", e.node, e.lock, pve.ErrLocked)
}

func (e *lockedError) Unwrap() error { return pve.ErrLocked }

// follow dumps the guest where it is now, and where it has moved to meanwhile.
func (r *Run) follow(ctx context.Context, m *Making, g pve.Guest, rule guestpolicy.Rule, nodes *nodes, result *Result) error {
	const moves = 3
	for try := 1; ; try++ {
		now, err := r.turn(ctx, m, g, rule, nodes, result)
		if !errors.Is(err, pve.ErrNothing) || try == moves {
			return err
		}
		if again, lost := r.Cluster.Locate(ctx, g.ID); lost != nil || again.Node == now.Node {
			return errors.Join(err, lost)
		}
		r.Tell.Warn(result.Folder, "it has left %s: once more, where it is now", now.Node)
	}
}

// turn waits for the guest's turn and takes it.
func (r *Run) turn(ctx context.Context, m *Making, g pve.Guest, rule guestpolicy.Rule, nodes *nodes, result *Result) (pve.Guest, error) {
	now, release, err := r.locate(ctx, g, nodes)
	if err != nil {
		return now, err
	}
	defer release()
	if err := r.inTime(rule); err != nil {
		return now, err
	}
	ctx, cancel := m.Limit(ctx)
	defer cancel()
	result.Node, result.Name = now.Node, now.Name
	return now, r.take(ctx, m, now, rule, result)
}

// locate waits until nothing else is dumped on the node where the guest is, and
// holds that node until release is called.
func (r *Run) locate(ctx context.Context, g pve.Guest, nodes *nodes) (now pve.Guest, release func(), err error) {
	for held := ""; ; {
		if now, err = r.Cluster.Locate(ctx, g.ID); err == nil {
			err = usable(g, now)
		}
		if err != nil || now.Node != held {
			if held != "" {
				nodes.release(held)
			}
		}
		if err != nil {
			return now, nil, err
		}
		if now.Node == held {
			return now, func() { nodes.release(held) }, nil
		}
		held = now.Node
		if err := nodes.hold(ctx, held); err != nil {
			return now, nil, err
		}
	}
}

// usable says why the guest cannot be backed up now.
func usable(before, now pve.Guest) error {
	switch {
	case now.Type != before.Type:
		return fmt.Errorf("it is a %s now, and was a %s: somebody reuses the number", now.Type, before.Type)
	case now.Lock != "":
		program := "qm"
		if now.Type == pve.CT {
			program = "pct"
		}
		return tell.Hint(&lockedError{now.Node, now.Lock},
			"when no task of Proxmox works on it any more, on %s: %s unlock %d", now.Node, program, now.ID)
	}
	return nil
}

// take dumps the guest and makes a set of it.
func (r *Run) take(ctx context.Context, m *Making, g pve.Guest, rule guestpolicy.Rule, result *Result) error {
	folder := m.Subject.String()
	shown, end := r.Tell.Long(folder, "on "+g.Node, m.before().Contents["archive"])
	defer end()
	d := &dump{
		cluster: r.Cluster, guest: g, shown: shown,
		options: pve.DumpOptions{Mode: rule.Mode, Fleecing: rule.Fleecing, BandwidthKiB: rule.BandwidthKiB},
	}
	kind, ext := guestset.KindVMA, guestset.ExtVMA
	if g.Type == pve.CT {
		kind, ext = guestset.KindTar, guestset.ExtTar
	}
	describe := d.describe(r.Versions[g.Node])
	return m.Make(ctx, Contents{
		Parts: []Part{
			{Asset: folder, Kind: kind, Ext: ext, Stream: d.stream, Describe: func(a *catalog.Artifact) {
				describe(a)
				result.Size, result.Bytes, result.Time = a.Size, d.read, m.Copies.Time
			}},
			Account(func() guestset.About {
				about := d.about()
				about.Time = m.Copies.Time
				return about
			}),
		},
		Findings: func() []catalog.Finding {
			findings := setrun.Findings(r.Tell, folder, d.warnings())
			for _, disk := range d.leftOut() {
				result.LeftOut = append(result.LeftOut, disk.Key+": "+disk.Why)
				findings = append(findings, catalog.Finding{Asset: folder, What: disk.Key + " is not in it", Why: setrun.Short(disk.Why)})
			}
			return findings
		},
	})
}
