package pve

import (
	"context"
	"errors"
	"fmt"
	"time"
)

const inventoryFormat = 1

// Discover asks all nodes at once what there is. A node that cannot be asked
// makes the inventory partial, and is no error; that none can is one.
func (c *Cluster) Discover(ctx context.Context) (*Inventory, error) {
	views := make([]*view, len(c.Context.Nodes))
	var asks []func()
	for i, n := range c.Context.Nodes {
		asks = append(asks, func() { views[i] = c.look(ctx, n.Name) })
	}
	each(asks)
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	inv := join(views)
	inv.Time, inv.Cluster = time.Now().UTC().Truncate(time.Second), c.Context.Name
	var all []error
	for _, n := range inv.Nodes {
		if n.Reachable {
			return inv, nil
		}
		all = append(all, n.Err)
	}
	return nil, fmt.Errorf("%s: no node can be asked: %w", c.Context.Name, errors.Join(all...))
}

// each runs all at once: there are as many as nodes.
func each(all []func()) {
	done := make(chan struct{})
	for _, f := range all {
		go func() {
			defer func() { done <- struct{}{} }()
			f()
		}()
	}
	for range all {
		<-done
	}
}
