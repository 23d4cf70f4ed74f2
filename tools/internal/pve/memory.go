package pve

import (
	"context"
	"fmt"
	"strconv"
)

// FreeMemory is how many bytes of memory a node could still give; 0: it does
// not tell.
func (c *Cluster) FreeMemory(ctx context.Context, node string) (int64, error) {
	path := "/nodes/" + node + "/status"
	b, err := c.pvesh(ctx, node, path)
	if err != nil {
		return 0, err
	}
	var answer struct {
		Memory struct {
			Free      number `json:"free"`
			Available number `json:"available"` // newer, and with what caches would give back
		} `json:"memory"`
	}
	if err := object(b, &answer); err != nil {
		return 0, fmt.Errorf("%s: pvesh get %s: %w", node, path, err)
	}
	return max(0, answer.Memory.Free.n, answer.Memory.Available.n), nil
}

// Memory is how many bytes the configuration of a virtual machine, as it is
// now, lets it have.
func (c *Cluster) Memory(ctx context.Context, g Guest) (int64, error) {
	s, err := c.settings(ctx, g)
	if err != nil {
		return 0, err
	}
	value, options := dissect(string(s["memory"]), "current")
	if value == "" {
		value = options["current"]
	}
	mib, err := strconv.ParseInt(value, 10, 32)
	if err != nil || mib <= 0 {
		mib = 512 // as Proxmox does
	}
	return mib << 20, nil
}
