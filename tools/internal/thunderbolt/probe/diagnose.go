package probe

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/railiance/railiance/tools/internal/thunderbolt"
)

const (
	// again is how long after a look that leaves doubt another one is taken.
	again = 2 * time.Second

	// patience is how long bridges may take to find the new way. Nobody tells
	// them: a node holds its neighbour to be reached for up to 45 seconds, asks it
	// for 8 more, and then asks everybody. Spanning tree takes 14 of them at least.
	patience = 40 * time.Second
)

// Diagnose looks and judges. What only pings show is judged by a second look:
// it may have been a moment. Where bridges still send the way that they did
// before the tree changed, it looks until they no longer do, and then once more.
func (p *Probe) Diagnose(ctx context.Context, names ...string) (thunderbolt.Diagnosis, error) {
	began := time.Now()
	d, err := p.judge(ctx, names)
	var earlier []thunderbolt.Fault
	told := p.Wait == nil
	for sure := false; err == nil && !sure && !d.Sure(); {
		before := d
		// Who has little time wants to know what is known.
		ends, set := ctx.Deadline()
		if before.Astray() && set && time.Until(ends) < 3*again {
			break
		}
		if before.Astray() && !told {
			told = true
			most := max(patience-time.Since(began), again) // a first look may have been slow
			if set {
				most = min(most, time.Until(ends))
			}
			p.Wait(fmt.Sprintf("bridges still send where the way led before spanning tree changed: what is lost cannot be judged until they have learned the new one: "+
				"looking again, for up to %s", most.Round(time.Second)))
		}
		select {
		case <-ctx.Done():
			return d, context.Cause(ctx)
		case <-time.After(again):
		}
		for _, f := range before.Faults {
			if !slices.ContainsFunc(earlier, func(g thunderbolt.Fault) bool { return g.ID() == f.ID() }) {
				earlier = append(earlier, f)
			}
		}
		looked := time.Since(began)
		d, err = p.judge(ctx, names)
		sure = !before.Astray() && !d.Astray() || looked > patience-again
	}
	for _, f := range earlier {
		if err == nil && !slices.ContainsFunc(d.Faults, func(g thunderbolt.Fault) bool { return g.ID() == f.ID() }) {
			d.Notes = append(d.Notes, "an earlier look had found what the last one did not: "+f.What)
		}
	}
	return d, err
}

func (p *Probe) judge(ctx context.Context, names []string) (thunderbolt.Diagnosis, error) {
	seen, err := p.Look(ctx, names...)
	if err != nil {
		return thunderbolt.Diagnosis{}, err
	}
	return thunderbolt.Diagnose(p.Plan, seen), nil
}
