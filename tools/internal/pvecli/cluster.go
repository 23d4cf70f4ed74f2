package pvecli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/railiance/railiance/tools/internal/guestpolicy"
	"github.com/railiance/railiance/tools/internal/guestset"
	"github.com/railiance/railiance/tools/internal/host"
	"github.com/railiance/railiance/tools/internal/pve"
)

// connect makes ready to ask the cluster of the context. The function ends the
// connections.
func (e *estate) connect(ctx context.Context) (*pve.Cluster, func(), error) {
	connections, err := host.OpenConnections("")
	if err != nil {
		return nil, nil, err
	}
	return &pve.Cluster{Context: e.cluster, Connections: connections}, func() {
		if err := connections.Close(ctx); err != nil {
			e.Tell.Warn("", "%v", err)
		}
	}, nil
}

// discover asks the cluster what there is, tells what is wrong with the answer,
// and keeps it for status and for the next comparison.
func (e *estate) discover(ctx context.Context, c *pve.Cluster) (found *pve.Inventory, path string, changes []pve.Change, err error) {
	before, err := e.inventory()
	if err != nil {
		return nil, "", nil, err
	}
	if found, err = c.Discover(ctx); err != nil {
		return nil, "", nil, err
	}
	for _, n := range found.Nodes {
		if !n.Reachable {
			e.Tell.Fail(n.Name, n.Err)
		}
	}
	for _, conflict := range found.Conflicts {
		e.Tell.Warn("", "%s", conflict)
	}
	if before != nil {
		changes = pve.Diff(before, found)
	}
	path, err = found.Save(backupsDir(e.layer))
	return found, path, changes, err
}

// inventory is what the newest discovery found; nil where there was none.
func (e *estate) inventory() (*pve.Inventory, error) {
	inv, err := pve.Latest(backupsDir(e.layer))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("the newest discovery: %w", err)
	}
	return inv, nil
}

// guests are those of the newest discovery, with that, if there was one.
func (e *estate) guests() (all map[guestset.Subject]pve.Guest, inv *pve.Inventory, err error) {
	inv, err = e.inventory()
	if inv == nil || err != nil {
		return nil, nil, err
	}
	all = map[guestset.Subject]pve.Guest{}
	for _, g := range inv.Guests {
		all[subjectOf(g)] = g
	}
	return all, inv, nil
}

// ruleOf is what the policy says of a guest.
func (e *estate) ruleOf(g pve.Guest) guestpolicy.Rule {
	return e.layer.Guests.For(g.ID, g.Tags, g.Pool)
}

// subjectOf is the folder that a guest's backups are in.
func subjectOf(g pve.Guest) guestset.Subject { return guestset.Guest(g.Short(), g.ID) }
