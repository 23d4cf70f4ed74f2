package guestbackup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/railiance/railiance/tools/internal/guestpolicy"
	"github.com/railiance/railiance/tools/internal/guestset"
	"github.com/railiance/railiance/tools/internal/pve"
	"github.com/railiance/railiance/tools/internal/seal"
	"github.com/railiance/railiance/tools/internal/setrun"
	"github.com/railiance/railiance/tools/internal/tell"
)

// One backs one subject up by its rule, unless that says not now: do makes the
// set, within Making.Limit, and fills in the result as far as it knows better.
// g is the guest as it stood in the inventory; nil: a node.
func (r *Run) One(ctx context.Context, s guestset.Subject, rule guestpolicy.Rule, g *pve.Guest, result Result, do func(context.Context, *Making, *Result) error) Result {
	skip := func(format string, args ...any) Result {
		result.Status, result.Why = Skipped, fmt.Sprintf(format, args...)
		r.Tell.Say(result.Folder, "skipped: %s", result.Why)
		return result
	}
	switch {
	case rule.Skip && !r.Asked:
		return skip("layer.yaml says so")
	case !rule.Window.Holds(r.Now()) && !rule.Window.Holds(r.begun) && !r.Asked:
		return skip("it is not %s", rule.Window)
	}
	begin := time.Now()
	m, err := r.open(ctx, s, rule)
	if err == nil && r.IfOlderThan > 0 && m.Fresh(r.IfOlderThan, g) {
		if err := r.redeem(s, m); err != nil {
			r.judge(&result, m, err)
			return result
		}
		return skip("its newest set is younger than %s in every site", r.IfOlderThan)
	}
	err = r.Attempt(s, func() error {
		if err != nil {
			return err
		}
		if err := r.inTime(rule); err != nil {
			return err
		}
		if err := do(ctx, m, &result); err != nil {
			return err
		}
		return m.Failure()
	})
	if errors.Is(err, errLater) {
		r.Tell.Say(result.Folder, "%v", err)
		result.Status = putOff
		return result
	}
	result.Seconds = time.Since(begin).Seconds()
	r.judge(&result, m, err)
	return result
}

// open opens the folders of s, which may take as long as its backup.
func (r *Run) open(ctx context.Context, s guestset.Subject, rule guestpolicy.Rule) (*Making, error) {
	ctx, cancel := limit(ctx, rule)
	defer cancel()
	return r.Open(ctx, s, rule)
}

// Limit is ctx for the time that the rule gives the making. What comes before,
// as the wait for a turn, is nothing that the subject can help.
func (m *Making) Limit(ctx context.Context) (context.Context, context.CancelFunc) {
	return limit(ctx, m.rule)
}

func limit(ctx context.Context, rule guestpolicy.Rule) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, rule.Timeout, fmt.Errorf("it took longer than %s", rule.Timeout))
}

// inTime says that the window has closed since the run began: what it was to
// back up then has no backup, which is more than being skipped.
func (r *Run) inTime(rule guestpolicy.Rule) error {
	if r.Asked || rule.Window.Holds(r.Now()) {
		return nil
	}
	return tell.Hint(fmt.Errorf("its window %s closed before its turn", rule.Window),
		"a wider window, an earlier run, or more nodes in parallel gives it a turn; by its number it is backed up at once")
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

// Account is the part of a set that tells of the others.
func Account(about func() guestset.About) Part {
	return Part{Asset: guestset.AboutAsset, Kind: guestset.AboutKind, Ext: guestset.AboutExt, Stream: func(context.Context) seal.Stream {
		return func(w io.Writer) error {
			b, err := about().Encode()
			if err != nil {
				return err
			}
			_, err = w.Write(b)
			return err
		}
	}}
}
