package pve

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"sync/atomic"

	"github.com/railiance/railiance/tools/internal/host"
)

//go:embed disk.sh
var diskScript string

// ReadDisk writes a disk of g to w, byte for byte as the guest sees it, and
// returns how many they were; g must not run. ErrNotRaw says that its storage
// keeps it in another form.
func (c *Cluster) ReadDisk(ctx context.Context, g Guest, key string, w io.Writer) (int64, error) {
	s, err := c.settings(ctx, g)
	if err != nil {
		return 0, err
	}
	d := find(s.disks(g.Type), func(d Disk) bool { return d.Key == key })
	if d == nil || d.Volume == "" {
		return 0, fmt.Errorf("guest %d on %s: has no disk %s", g.ID, g.Node, host.Printable(key))
	}
	r, err := c.remote(ctx, g.Node)
	if err != nil {
		return 0, err
	}
	var n atomic.Int64
	err = host.Run(ctx, r.Command(host.Command{
		Args: []string{"sh", "-c", diskScript, "disk", d.Volume}, Env: []string{"LC_ALL=C.UTF-8"},
		Stdout: &counting{w, &n},
	}))
	c.brokenBy(g.Node, err)
	var exit *host.ExitError
	if errors.As(err, &exit) && exit.Code == 45 {
		err = ErrNotRaw
	}
	if err != nil {
		return n.Load(), fmt.Errorf("%s: guest %d: disk %s: %w", g.Node, g.ID, key, err)
	}
	return n.Load(), nil
}

// counting counts what is written.
type counting struct {
	w io.Writer
	n *atomic.Int64
}

func (c *counting) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n.Add(int64(n))
	return n, err
}

// Storage is a storage as a node sees it.
type Storage struct {
	Name    string
	Type    string   // dir, lvmthin, zfspool, …
	Content []string // images, rootdir, backup, …
	Free    int64    // bytes
	Total   int64    // bytes
	Active  bool
	Shared  bool
}

// Storages asks a node for its storages.
func (c *Cluster) Storages(ctx context.Context, node string) ([]Storage, error) {
	if !validNode(node) {
		return nil, fmt.Errorf("%q is no node", host.Printable(node))
	}
	b, err := c.pvesh(ctx, node, "/nodes/"+node+"/storage")
	if err != nil {
		return nil, err
	}
	all, err := storages(b)
	if err != nil {
		return nil, fmt.Errorf("%s: pvesh get /nodes/%s/storage: %w", node, node, err)
	}
	return all, nil
}

func storages(b []byte) ([]Storage, error) {
	entries, _, err := list[struct {
		Storage text   `json:"storage"`
		Type    text   `json:"type"`
		Content text   `json:"content"`
		Avail   number `json:"avail"`
		Total   number `json:"total"`
		Active  truth  `json:"active"`
		Shared  truth  `json:"shared"`
	}](b)
	if err != nil {
		return nil, err
	}
	var all []Storage
	for _, e := range entries {
		if validStorage(string(e.Storage)) {
			all = append(all, Storage{string(e.Storage), word(e.Type), words(e.Content), max(0, e.Avail.n), max(0, e.Total.n), bool(e.Active), bool(e.Shared)})
		}
	}
	return all, nil
}
