package guestrestore

import (
	"context"
	"fmt"

	"github.com/railiance/railiance/tools/internal/pve"
	"github.com/railiance/railiance/tools/internal/tell"
)

// tooLarge says why a machine must not be started where its node has no memory
// left for it: others would be ended to make room.
func (d *Drill) tooLarge(ctx context.Context, g pve.Guest) (why, err error) {
	if g.Type == pve.CT {
		return nil, nil // what it may have is a limit, and is not taken
	}
	wants, err := d.Cluster.Memory(ctx, g)
	if err != nil {
		return nil, err
	}
	free, err := d.Cluster.FreeMemory(ctx, g.Node)
	if err != nil {
		return nil, err
	}
	if free > 0 && wants > free {
		why = fmt.Errorf("it wants %s of memory, and %s has %s free; --node or guests.drill.node names another", tell.Bytes(wants), g.Node, tell.Bytes(free))
	}
	return why, nil
}
