package pvecli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/railiance/railiance/tools/internal/guestbackup"
	"github.com/railiance/railiance/tools/internal/nodebackup"
	"github.com/railiance/railiance/tools/internal/plugin"
	"github.com/railiance/railiance/tools/internal/pve"
	"github.com/railiance/railiance/tools/internal/tell"
)

// choice is which guests and nodes a backup is asked for.
type choice struct {
	all       bool // nodes, too
	hosts     bool // the nodes themselves
	tag, pool string
	older     time.Duration
}

func backup(sh *plugin.Shell) *cobra.Command {
	var w where
	var c choice
	verb := &cobra.Command{
		Use:   "backup [GUEST…]",
		Short: "Back guests and nodes up: each read once, verified, encrypted, written to each of its sites",
		Long: `Finds each guest where it is now, has vzdump write it, takes the stream apart
while it passes, and writes it encrypted to every site of its policy, with its
configuration and log, under a signed manifest. Then prunes by the guest's
retention. One guest a node at a time, the nodes at once. Needs no private key.

With --hosts, or --all, it backs the nodes themselves up, before the guests: the
settings of the cluster in /etc/pve, all of /etc, root's keys, and what the node
says of its disks, volumes, network and packages.

A guest that is named, as 100, or a node, as node-baobab, is backed up whatever
the policy says of skipping and windows. With --if-older-than 20h one whose newest
set is younger in each of its sites is passed over, so that a run that failed half
way is just repeated.

Before, it asks what tb-check would ask: a network that is not well is told and
noted in each set, or, where the policy says network: require, ends the run.

This machine must stay awake: a node ends a dump whose reader was silent for two
minutes, so that its guest does not wait for a reader that is gone.

Exit status: 0 all are backed up; 1 something failed (the others were still
backed up); 2 usage or configuration; 3 another run holds the lock.`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			named, err := c.check(args)
			if err != nil {
				return err
			}
			e, err := open(cmd.Context(), sh, w)
			if err != nil {
				return err
			}
			run := e.run(c, len(args) > 0)
			if err := run.SetUp(); err != nil {
				return &plugin.Usage{Err: err}
			}
			sh.Copies = e.copies
			var results []guestbackup.Result
			err = sh.Deed(cmd.Context(), e.layer, plugin.Backup, func(ctx context.Context) error {
				results, err = e.backUp(ctx, run, c, named, w.site == "")
				return err
			})
			return errors.Join(err, e.tellOfBackup(cmd.Context(), results))
		},
	}
	verb.Flags().StringVar(&w.site, "site", "", "write to this site alone, as server/store (default: those of the policy)")
	verb.Flags().BoolVar(&c.all, "all", false, "every guest of the cluster, and every node")
	verb.Flags().BoolVar(&c.hosts, "hosts", false, "the nodes themselves")
	verb.Flags().StringVar(&c.tag, "tag", "", "the guests with this tag")
	verb.Flags().StringVar(&c.pool, "pool", "", "the guests in this pool")
	verb.Flags().DurationVar(&c.older, "if-older-than", 0, "pass over what has a newer set in each of its sites")
	return verb
}

// run is a run of the flow over the sites of this call. One that cannot be
// opened is among them, so that it fails for each guest that needs it.
func (e *estate) run(c choice, asked bool) *guestbackup.Run {
	run := &guestbackup.Run{Layer: e.layer, Tool: e.Tool(), Now: e.Now, Tell: e.Tell, Asked: asked, IfOlderThan: c.older}
	for _, p := range e.places {
		run.Sites = append(run.Sites, guestbackup.Site{Name: p.name, Place: p.site})
	}
	for _, b := range e.shut {
		run.Sites = append(run.Sites, guestbackup.Site{Name: b.name, Err: b.err})
	}
	return run
}

func (e *estate) backUp(ctx context.Context, run *guestbackup.Run, c choice, who named, everywhere bool) ([]guestbackup.Result, error) {
	cluster, end, err := e.connect(ctx)
	if err != nil {
		return nil, err
	}
	defer end()
	run.Cluster = cluster
	found, err := e.lookAtNetwork(ctx, cluster)
	if err != nil {
		return nil, err
	}
	run.Findings, e.network = found.findings, found.verdict
	guests, missing, err := e.chosen(ctx, cluster, run, c, who.guests)
	if err != nil {
		return nil, err
	}
	nodes, err := e.hosts(c, who.nodes)
	if err != nil {
		return nil, err
	}
	if len(guests)+len(nodes) == 0 && missing == nil {
		return nil, tell.Hint(errors.New("the cluster has no such guest"), "discover lists what there is")
	}
	results, err := run.Hold(ctx, c.all && missing == nil && everywhere, nodebackup.Deed(run, cluster, nodes), run.Guests(guests))
	for _, r := range results {
		if err := e.showResult(r); err != nil {
			return results, err
		}
	}
	switch {
	case errors.Is(err, guestbackup.ErrFailed):
		return results, plugin.ErrTold
	case err == nil:
		return results, missing
	}
	return results, err
}

// chosen are the guests to back up, and what says that these are not all that
// were meant.
func (e *estate) chosen(ctx context.Context, cluster *pve.Cluster, run *guestbackup.Run, c choice, ids []int) (guests []pve.Guest, missing, err error) {
	if !c.all && c.tag == "" && c.pool == "" {
		var lost []string
		for _, id := range ids {
			g, err := cluster.Locate(ctx, id)
			if ctx.Err() != nil {
				return nil, nil, context.Cause(ctx)
			}
			if err != nil {
				e.Tell.Fail(strconv.Itoa(id), err)
				lost = append(lost, strconv.Itoa(id))
				continue
			}
			guests = append(guests, g)
		}
		if len(lost) > 0 {
			missing = tell.Hint(fmt.Errorf("not backed up, since it was not found: %s", strings.Join(lost, ", ")), "pve-vm-backup discover shows which guests there are")
		}
		return guests, missing, nil
	}
	inv, path, changes, err := e.discover(ctx, cluster)
	if err != nil {
		return nil, nil, err
	}
	if inv.Partial {
		missing = tell.Hint(errors.New("not every guest that was asked for could be found"), "each node that could not be asked is named above")
	}
	if err := e.recordChanges(ctx, path, changes); err != nil {
		e.Tell.Fail("", err)
		missing = cmp.Or(missing, plugin.ErrTold)
	}
	run.Versions = map[string]string{}
	for _, n := range inv.Nodes {
		run.Versions[n.Name] = n.Version
	}
	for _, g := range inv.Guests {
		if slices.Contains(g.Tags, pve.DrillTag) {
			e.Tell.Warn("", "guest %d on %s has the tag %s, and is not backed up: a drill goes on, or was killed", g.ID, g.Node, pve.DrillTag)
			continue
		}
		if c.all || c.pool != "" && g.Pool == c.pool || slices.ContainsFunc(g.Tags, func(tag string) bool { return c.tag != "" && strings.EqualFold(tag, c.tag) }) {
			guests = append(guests, g)
		}
	}
	return guests, missing, nil
}
