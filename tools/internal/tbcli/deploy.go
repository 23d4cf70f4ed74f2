package tbcli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/railiance/railiance/tools/internal/clustercontext"
	"github.com/railiance/railiance/tools/internal/host"
	"github.com/railiance/railiance/tools/internal/shell"
	"github.com/railiance/railiance/tools/internal/tbdeploy"
	"github.com/railiance/railiance/tools/internal/thunderbolt"
	"github.com/railiance/railiance/tools/internal/thunderbolt/probe"
)

type deploy struct {
	check
	tbdeploy.Deployment
}

// Deploy is tb-deploy.
func Deploy(sh *shell.Shell) *cobra.Command {
	d := &deploy{check: check{Shell: sh}}
	cmd := &cobra.Command{
		Use:   "tb-deploy NODE",
		Short: "Put what mends the Thunderbolt network onto a node, so that it stays",
		Long: `Renders from the cluster context what a node needs (udev rules for the MTU, .link
files for stable names, the bridge for ifupdown2, and a hook that brings an
interface which is plugged in anew back into its bridge), shows how that differs
from what the node has, brings it there, lets the node live by it, and checks
all nodes anew. The node undoes it all by itself unless that check is no worse
than the one before and confirms it in time. It also undoes what its ifup did not
take over. What was replaced is kept there.

A bridge that is VLAN-aware is refused, since its VLANs would be lost, and so is
one with members that the context does not declare; --force takes those out.

Exit status: 0 done, and the node is well; 1 refused, undone, or something is
still wrong at the node; 2 usage or configuration; 3 another deployment goes on.`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return &shell.Usage{Err: fmt.Errorf("%d nodes are named; it must be one", len(args))}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			d.Node = args[0]
			return d.run(cmd.Context())
		},
	}
	f := cmd.Flags()
	f.StringVar(&d.layer, "layer", ".", "folder of the layer: its context and changelogs")
	f.StringVar(&d.context, "context", "", "file of the cluster context; default: cluster-context/madagascar.json in the layer's folder")
	f.StringVar(&d.cluster, "cluster", "", "name of the cluster, where the context has several")
	f.DurationVar(&d.timeout, "timeout", probe.DefaultTimeout, "how long a node may take to answer a check")
	f.DurationVar(&d.Window, "window", tbdeploy.DefaultWindow, "after how long without confirmation the node undoes it")
	f.BoolVar(&d.DryRun, "dry-run", false, "show what would change, and change nothing")
	f.BoolVar(&d.Rollback, "rollback", false, "put back what was there before the last deployment")
	f.BoolVar(&d.Overwrite, "overwrite", false, "also replace files that somebody edited on the node")
	f.BoolVar(&d.Force, "force", false, "also where the ring is open elsewhere, and the node will be cut off for a while; and where its bridge loses members that the context does not declare")
	return cmd
}

func (d *deploy) run(ctx context.Context) error {
	if d.context == "" {
		d.context = filepath.Join(d.layer, "cluster-context", "madagascar.json")
	}
	if d.timeout < time.Second || d.Window < 10*time.Second || d.Window > time.Hour {
		return &shell.Usage{Err: errors.New("--timeout must be a second or more, and --window from 10s to 1h")}
	}
	plan, cluster, err := d.plan([]string{d.Node})
	if err != nil {
		return &shell.Usage{Err: err}
	}
	if d.Paths, err = paths(d.context, cluster, d.Node); err != nil {
		return &shell.Usage{Err: err}
	}
	b, err := book(d.layer)
	if err != nil {
		return err
	}
	d.Plan, d.Deployment.Tell = plan, d.Shell.Tell
	d.Reach = func(target string) host.Remote {
		return host.Remote{Target: target, ConnectTimeout: min(d.timeout, 5*time.Second)}
	}
	p := &probe.Probe{Plan: plan, Timeout: d.timeout, Now: d.Now, Reach: d.Reach}
	d.Check = func(ctx context.Context) (thunderbolt.Diagnosis, error) {
		seen, err := p.Look(ctx)
		if err != nil {
			return thunderbolt.Diagnosis{}, err
		}
		return thunderbolt.Diagnose(plan, seen), nil
	}
	d.Show = func(changes []tbdeploy.Change) {
		if !d.JSON {
			tbdeploy.Write(d.Stdout, changes)
		}
	}
	result, err := d.Deployment.Run(ctx)
	return errors.Join(d.account(ctx, b.Changelog, b.Page, result, err), d.tell(result, err))
}

// tell prints the result, and says whether it is a failure.
func (d *deploy) tell(r tbdeploy.Result, err error) error {
	printed := d.Print(struct {
		Format int `json:"format"`
		tbdeploy.Result
	}{1, r}, func(w io.Writer) {
		if r.Outcome == tbdeploy.Refused {
			return // the error says it
		}
		fmt.Fprintf(w, "%s: %s\n", r.Node, r.Outcome)
	})
	if err != nil || printed != nil {
		return errors.Join(err, printed)
	}
	left := false
	for _, f := range r.After.Faults {
		said := "still so"
		if has(thunderbolt.Diagnosis{Faults: r.Revealed}, f) {
			said = "came to light, hidden before by another fault"
		}
		d.Shell.Tell.Warn("", "%s: %s", said, f.What)
		left = left || f.Node == r.Node
	}
	if left && r.Outcome != tbdeploy.Shown {
		return shell.ErrTold
	}
	return nil
}

func has(d thunderbolt.Diagnosis, f thunderbolt.Fault) bool {
	return slices.ContainsFunc(d.Faults, func(o thunderbolt.Fault) bool { return o.ID() == f.ID() })
}

// paths are the places on the bus of the node's interfaces.
func paths(context, cluster, node string) (map[string]string, error) {
	all, err := clustercontext.Read(context)
	if err != nil {
		return nil, err
	}
	c, err := all.Cluster(cluster)
	if err != nil {
		return nil, err
	}
	return c.Thunderbridge.Paths[node], nil
}
