package tbdeploy

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/railiance/railiance/tools/internal/state"
	"github.com/railiance/railiance/tools/internal/tell"
	"github.com/railiance/railiance/tools/internal/thunderbolt"
)

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
			var unasked error
			for _, h := range n.Hosts {
				found, err := look(limited, d.Reach(h.Target), "", nil)
				if err == nil && found.held {
					errs[i] = tell.Hint(fmt.Errorf("%s: a deployment is going on there: one node at a time: %w", n.Name, state.ErrHeld), "it ends by itself, at the latest when its time is over")
				}
				if err == nil {
					return
				}
				unasked = err
			}
			if !d.Force {
				errs[i] = tell.Hint(fmt.Errorf("%w: %s: whether a deployment is going on there is not known: %w", ErrRefused, n.Name, unasked), "one node at a time; --force goes on all the same")
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

func touches(faults []thunderbolt.Fault, node string) bool {
	return slices.ContainsFunc(faults, func(f thunderbolt.Fault) bool {
		return f.Node == node || f.Cable != nil && (f.Cable[0].Node == node || f.Cable[1].Node == node)
	})
}
