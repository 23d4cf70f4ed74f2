// Package nodebackup backs up what makes a Proxmox node the node that it is: the
// settings of the cluster as it sees them, its own, its keys, and an account of
// its disks, its network and its packages, with a guide how to build it anew.
//
// The one thing to know: guests are half of a cluster. Their backups cannot be
// put back before there is a node again, and that must not need anything that
// only the node knew. The archive holds the secrets of the cluster.
package nodebackup

import (
	"context"
	"fmt"
	"io"
	"sync"

	"github.com/railiance/railiance/tools/internal/catalog"
	"github.com/railiance/railiance/tools/internal/guestbackup"
	"github.com/railiance/railiance/tools/internal/guestset"
	"github.com/railiance/railiance/tools/internal/host"
	"github.com/railiance/railiance/tools/internal/seal"
	"github.com/railiance/railiance/tools/internal/setrun"
)

// Type is what results and accounts of nodes have where those of guests have
// qemu or lxc.
const Type = "node"

// Nodes lead to nodes. *pve.Cluster does.
type Nodes interface {
	// Remote is the way to the node of that name, and to no other.
	Remote(ctx context.Context, node string) (host.Remote, error)
}

// SubjectOf is what the folder of a node is for.
func SubjectOf(node string) guestset.Subject {
	return guestset.Subject{Kind: guestset.Node, Name: node}
}

// Deed backs those nodes up, as a deed of Run.Hold. The results are in the order
// of the nodes.
func Deed(r *guestbackup.Run, to Nodes, nodes []string) func(context.Context) []guestbackup.Result {
	return func(ctx context.Context) []guestbackup.Result {
		results := make([]guestbackup.Result, len(nodes))
		var wg sync.WaitGroup
		slots := make(chan struct{}, max(1, parallel(r, len(nodes))))
		for i, node := range nodes {
			wg.Go(func() {
				slots <- struct{}{}
				defer func() { <-slots }()
				results[i] = one(ctx, r, to, node)
			})
		}
		wg.Wait()
		return results
	}
}

func parallel(r *guestbackup.Run, nodes int) int {
	if n := r.Layer.Guests.Parallel; n > 0 {
		return n
	}
	return nodes
}

func one(ctx context.Context, r *guestbackup.Run, to Nodes, node string) guestbackup.Result {
	s := SubjectOf(node)
	result := guestbackup.Result{Type: Type, Name: node, Node: node, Folder: s.String()}
	if _, err := guestset.Parse(s.String()); err != nil {
		result.Status, result.Why = guestbackup.Failed, err.Error()
		r.Tell.Fail(node, err)
		return result
	}
	return r.One(ctx, s, r.Layer.Guests.Node(), nil, result, func(ctx context.Context, m *guestbackup.Making, result *guestbackup.Result) error {
		ctx, cancel := m.Limit(ctx)
		defer cancel()
		remote, err := to.Remote(ctx, node)
		if err != nil {
			return err
		}
		return take(ctx, r, m, &collection{node: node, version: r.Versions[node], remote: remote}, result)
	})
}

// take makes a set of what is collected.
func take(ctx context.Context, r *guestbackup.Run, m *guestbackup.Making, c *collection, result *guestbackup.Result) error {
	folder := m.Subject.String()
	shown, end := r.Tell.Long(folder, "", 0)
	defer end()
	return m.Make(ctx, guestbackup.Contents{
		Parts: []guestbackup.Part{
			{
				Asset: folder, Kind: guestset.KindNode, Ext: guestset.ExtTar,
				Stream: func(ctx context.Context) seal.Stream {
					c.time = m.Copies.Time
					return seal.Stream(func(w io.Writer) error { return c.write(ctx, io.MultiWriter(w, shown)) }).Zstd()
				},
				Describe: func(a *catalog.Artifact) {
					c.describe(a)
					result.Size, result.Bytes, result.Time = a.Size, c.archive.Bytes, m.Copies.Time
				},
			},
			guestbackup.Account(c.about),
		},
		Findings: func() []catalog.Finding { return setrun.Findings(r.Tell, folder, c.findings) },
	})
}

// describe tells in the manifest what the artifact holds.
func (c *collection) describe(a *catalog.Artifact) {
	a.Source = map[string]string{"node": c.node, "type": Type}
	if c.version != "" {
		a.Source["pve"] = c.version
	}
	a.Checks = []catalog.Check{{Name: "tar: /etc/pve, host name and network are there, and its end", Verdict: "ok"}}
	a.Contents = catalog.Contents{"members": c.archive.Members, "bytes": c.archive.Bytes}
	if c.entries > 0 {
		a.Checks = append(a.Checks, catalog.Check{Name: "config.db: every page, and the table of pmxcfs", Verdict: "ok"})
		a.Contents["config.db"] = c.entries
	}
}

// about is the account of the archive.
func (c *collection) about() guestset.About {
	said := ""
	for _, line := range c.report.Said {
		said += fmt.Sprintln(line)
	}
	about := guestset.About{
		Type: Type, Name: c.node, Node: c.node, Time: c.time, Log: said,
		Tar: &guestset.Tar{Members: c.archive.Members, Bytes: c.archive.Bytes, Digest: c.archive.Digest},
	}
	for _, out := range c.report.LeftOut {
		about.LeftOut = append(about.LeftOut, guestset.LeftOut{Key: out.Name, Why: out.Why})
	}
	return about
}
