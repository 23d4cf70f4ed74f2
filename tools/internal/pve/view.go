package pve

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/railiance/railiance/tools/internal/tell"
)

// view is what one node tells of itself and of the cluster.
type view struct {
	node     string
	target   string
	err      error // it could not be asked
	version  string
	status   membership
	cluster  []Guest // what it believes of everybody
	own      []Guest // what it has
	places   []place
	settings map[int]settings // of own
	excludes []Exclusion      // of its containers
	troubles []string         // what it did not tell, or told oddly
}

// atOnce is how many questions a node answers at a time. Each costs it a
// second of Perl; sshd allows ten sessions on a connection.
const atOnce = 4

// failuresMax is how many configurations a node may fail to tell before it is
// asked for no more.
const failuresMax = 8

// look asks a node all that Discover wants to know.
func (c *Cluster) look(ctx context.Context, node string) *view {
	v := &view{node: node, settings: map[int]settings{}}
	w, err := c.remote(ctx, node)
	if err != nil {
		v.err = err
		return v
	}
	v.target, v.status = w.Target, w.membership
	var mu sync.Mutex
	trouble := func(what string, err error) {
		mu.Lock()
		defer mu.Unlock()
		v.troubles = append(v.troubles, fmt.Sprintf("%s: %s", what, tell.Line(err.Error())))
	}
	// odd is what was told and cannot be; err is fatal, since half of what a
	// node has would look like all of it.
	lists := func(to *[]Guest, kind, path string, options ...string) func() error {
		return func() error {
			b, err := c.pvesh(ctx, node, path, options...)
			if err != nil {
				return err
			}
			all, odd, err := guests(b, kind, node)
			if err != nil {
				return fmt.Errorf("%s: pvesh get %s: %w", node, path, err)
			}
			mu.Lock()
			defer mu.Unlock()
			for _, what := range odd {
				v.troubles = append(v.troubles, "pvesh get "+path+": "+what)
			}
			*to = append(*to, all...)
			return nil
		}
	}
	v.err = together(
		lists(&v.cluster, "", "/cluster/resources", "--type", "vm"),
		lists(&v.own, VM, "/nodes/"+node+"/qemu"),
		lists(&v.own, CT, "/nodes/"+node+"/lxc"),
		func() error {
			if v.places, err = c.places(ctx, node); err != nil {
				trouble("places of the guests", err)
			}
			return nil
		},
		func() error {
			v.excludes = c.exclusions(ctx, node)
			return nil
		},
		func() error {
			b, err := c.pvesh(ctx, node, "/version")
			if err == nil {
				v.version, err = version(b)
			}
			if err != nil {
				trouble("version", err)
			}
			return nil
		},
	)
	if v.err != nil {
		return v
	}
	var asks []func() error
	var failures atomic.Int64
	for _, g := range v.own {
		asks = append(asks, func() error {
			if failures.Load() > failuresMax {
				return nil // told already; each more could take its full time
			}
			s, err := c.settings(ctx, g)
			if err != nil {
				failures.Add(1)
				trouble(fmt.Sprintf("guest %d: configuration", g.ID), err)
				return nil
			}
			mu.Lock()
			defer mu.Unlock()
			v.settings[g.ID] = s
			return nil
		})
	}
	v.err = together(asks...)
	return v
}

// places asks a node where the guests are. It costs milliseconds.
func (c *Cluster) places(ctx context.Context, node string) ([]place, error) {
	b, err := c.ask(ctx, node, "cat", "/etc/pve/.vmlist")
	if err != nil {
		return nil, err
	}
	all, err := vmlist(b)
	if err != nil {
		return nil, fmt.Errorf("%s: /etc/pve/.vmlist: %w", node, err)
	}
	return all, nil
}

// settings asks the node of g for its configuration as it is now, without the
// changes that wait for a restart: those are not in a backup either.
func (c *Cluster) settings(ctx context.Context, g Guest) (settings, error) {
	path := fmt.Sprintf("/nodes/%s/%s/%d/config", g.Node, g.Type, g.ID)
	b, err := c.pvesh(ctx, g.Node, path, "--current", "1")
	if err != nil {
		return nil, err
	}
	s, err := readSettings(b)
	if err != nil {
		return nil, fmt.Errorf("%s: pvesh get %s: %w", g.Node, path, err)
	}
	return s, nil
}

// together runs all at once, atOnce at a time, and returns the first error in
// their order.
func together(all ...func() error) error {
	errs := make([]error, len(all))
	room := make(chan struct{}, atOnce)
	var wg sync.WaitGroup
	for i, f := range all {
		wg.Add(1)
		go func() {
			defer wg.Done()
			room <- struct{}{}
			defer func() { <-room }()
			errs[i] = f()
		}()
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
