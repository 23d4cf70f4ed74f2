package guestbackup

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/railiance/railiance/tools/internal/catalog"
	"github.com/railiance/railiance/tools/internal/guestpolicy"
	"github.com/railiance/railiance/tools/internal/guestset"
	"github.com/railiance/railiance/tools/internal/pve"
	"github.com/railiance/railiance/tools/internal/seal"
	"github.com/railiance/railiance/tools/internal/setrun"
	"github.com/railiance/railiance/tools/internal/tell"
)

// SubjectOf is what the folder of a guest is for.
func SubjectOf(g pve.Guest) guestset.Subject { return guestset.Guest(g.Short(), g.ID) }

// one backs one guest up, which stood in the inventory as g.
func (r *Run) one(ctx context.Context, g pve.Guest, nodes *nodes) Result {
	subject, rule := SubjectOf(g), r.Layer.Guests.For(g.ID, g.Tags, g.Pool)
	result := Result{Guest: g.ID, Type: g.Type, Name: g.Name, Node: g.Node, Folder: subject.String()}
	skip := func(format string, args ...any) Result {
		result.Status, result.Why = Skipped, fmt.Sprintf(format, args...)
		r.Tell.Say(result.Folder, "skipped: %s", result.Why)
		return result
	}
	switch {
	case rule.Skip && !r.Asked:
		return skip("layer.yaml says so")
	case !rule.Window.Holds(r.Now()) && !r.Asked:
		return skip("it is not %s", rule.Window)
	}
	begin := time.Now()
	ctx, cancel := context.WithTimeoutCause(ctx, rule.Timeout, fmt.Errorf("it took longer than %s", rule.Timeout))
	defer cancel()
	m, err := r.Open(ctx, subject, rule)
	if err == nil && r.IfOlderThan > 0 && m.Fresh(r.IfOlderThan) {
		return skip("its newest set is younger than %s in every site", r.IfOlderThan)
	}
	err = r.Attempt(subject, func() error {
		if err != nil {
			return err
		}
		if err := r.follow(ctx, m, g, rule, nodes, &result); err != nil {
			return err
		}
		return m.Failure()
	})
	result.Seconds = time.Since(begin).Seconds()
	r.judge(&result, m, err)
	return result
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
			{Asset: guestset.AboutAsset, Kind: guestset.AboutKind, Ext: guestset.AboutExt, Stream: func(context.Context) seal.Stream {
				return func(w io.Writer) error {
					about := d.about()
					about.Time = m.Copies.Time
					b, err := about.Encode()
					if err != nil {
						return err
					}
					_, err = io.Copy(w, bytes.NewReader(b))
					return err
				}
			}},
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

// judge fills in what came of it, and tells.
func (r *Run) judge(result *Result, m *Making, err error) {
	sets := 0
	result.Waited = m.Waited.Seconds()
	for _, one := range m.Copies.All {
		s := SiteResult{Site: one.Site, Pruned: one.Pruned, Waited: one.Waited.Seconds()}
		if one.Set != nil {
			s.Manifest = one.Set.Name()
			sets++
		}
		if failed := errors.Join(one.Err, one.Trouble); failed != nil {
			s.Why = setrun.Short(failed.Error())
		}
		result.Sites = append(result.Sites, s)
	}
	switch {
	case err == nil:
		result.Status = Done
	case sets > 0:
		result.Status = Partly
	default:
		result.Status = Failed
		result.Time, result.Size = time.Time{}, 0
	}
	if err != nil {
		result.Why = setrun.Short(err.Error())
	}
	if result.Status == Failed {
		if !errors.Is(err, setrun.ErrNoSite) {
			r.Tell.Fail(result.Folder, err)
		}
		return
	}
	r.Tell.Say(result.Folder, "%s from %s, %s sealed, in %d of %d sites", tell.Bytes(result.Bytes), result.Node, tell.Bytes(result.Size), sets, len(result.Sites))
	for _, left := range result.LeftOut {
		r.Tell.Say(result.Folder, "left out: %s", left)
	}
}
