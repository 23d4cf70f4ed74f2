package pve

import (
	"context"
	"fmt"
	"slices"
	"strconv"
)

// Volumes are the disks on the storages of a node that carry the number of a
// guest, whether there is one or not.
func (c *Cluster) Volumes(ctx context.Context, node string, id int) ([]string, error) {
	storages, err := c.Storages(ctx, node)
	if err != nil {
		return nil, err
	}
	var all []string
	for _, s := range storages {
		if !s.Active || !slices.Contains(s.Content, "images") && !slices.Contains(s.Content, "rootdir") {
			continue
		}
		path := "/nodes/" + node + "/storage/" + s.Name + "/content"
		b, err := c.pvesh(ctx, node, path, "--vmid", strconv.Itoa(id))
		if err != nil {
			return nil, err
		}
		entries, _, err := list[struct {
			Volume  text   `json:"volid"`
			ID      number `json:"vmid"`
			Content text   `json:"content"`
		}](b)
		if err != nil {
			return nil, fmt.Errorf("%s: pvesh get %s: %w", node, path, err)
		}
		for _, e := range entries {
			if e.ID.n == int64(id) && (e.Content == "images" || e.Content == "rootdir") {
				all = append(all, word(e.Volume))
			}
		}
	}
	return all, nil
}
