package pve

import (
	"context"
	"errors"
	"fmt"
)

// free is an error if a guest has that number, on any node.
func (c *Cluster) free(ctx context.Context, id int) error {
	at, err := c.whereIs(ctx, id)
	switch {
	case errors.Is(err, ErrNoGuest):
		return nil
	case err != nil:
		return err
	}
	return fmt.Errorf("%w: by a guest on %s", ErrTaken, at[0].Node)
}

// FreeID is the lowest number from first to last that no guest has.
func (c *Cluster) FreeID(ctx context.Context, first, last int) (int, error) {
	taken := map[int]bool{}
	var all []error
	answers := c.allPlaces(ctx)
	if ctx.Err() != nil {
		return 0, context.Cause(ctx)
	}
	for _, a := range answers {
		if a.err != nil {
			all = append(all, a.err)
		}
		for _, p := range a.places {
			taken[p.ID] = true
		}
	}
	if len(all) == len(answers) {
		return 0, fmt.Errorf("a free number: no node can be asked: %w", errors.Join(all...))
	}
	for id := max(first, minID); id <= min(last, maxID); id++ {
		if !taken[id] {
			return id, nil
		}
	}
	return 0, fmt.Errorf("no number from %d to %d is free", first, last)
}
