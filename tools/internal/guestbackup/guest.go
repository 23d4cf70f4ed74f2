package guestbackup

import (
	"context"
	"errors"
	"fmt"

	"github.com/railiance/railiance/tools/internal/catalog"
	"github.com/railiance/railiance/tools/internal/guestpolicy"
	"github.com/railiance/railiance/tools/internal/guestset"
	"github.com/railiance/railiance/tools/internal/pve"
	"github.com/railiance/railiance/tools/internal/setrun"
	"github.com/railiance/railiance/tools/internal/tell"
)

// SubjectOf is what the folder of a guest is for.
func SubjectOf(g pve.Guest) guestset.Subject { return guestset.Guest(g.Short(), g.ID) }

// one backs one guest up, which stood in the inventory as g.
func (r *Run) one(ctx context.Context, g pve.Guest, nodes *nodes) Result {
	subject, rule := SubjectOf(g), r.Layer.Guests.For(g.ID, g.Tags, g.Pool)
	result := Result{Guest: g.ID, Type: g.Type, Name: g.Name, Node: g.Node, Folder: subject.String()}
	return r.One(ctx, subject, rule, result, func(ctx context.Context, m *Making, result *Result) error {
		return r.follow(ctx, m, g, rule, nodes, result)
	})
}

// follow dumps the guest where it is now, and where it has moved to meanwhile.
func (r *Run) follow(ctx context.Context, m *Making, g pve.Guest, rule guestpolicy.Rule, nodes *nodes, result *Result) error {
	const moves = 3
	for try := 1; ; try++ {
		now, release, err := r.locate(ctx, g, nodes)
		if err != nil {
			return err
		}
		result.Node, result.Name = now.Node, now.Name
		err = r.take(ctx, m, now, rule, result)
		release()
		if !errors.Is(err, pve.ErrNothing) || try == moves {
			return err
		}
		if again, lost := r.Cluster.Locate(ctx, g.ID); lost != nil || again.Node == now.Node {
			return errors.Join(err, lost)
		}
		r.Tell.Warn(result.Folder, "it has left %s: once more, where it is now", now.Node)
	}
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
		return tell.Hint(fmt.Errorf("on %s: lock %s: %w", now.Node, now.Lock, pve.ErrLocked),
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
