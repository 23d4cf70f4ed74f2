// Package tbcli is the command line of tb-check.
package tbcli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/railiance/railiance/tools/internal/clustercontext"
	"github.com/railiance/railiance/tools/internal/host"
	"github.com/railiance/railiance/tools/internal/shell"
	"github.com/railiance/railiance/tools/internal/state"
	"github.com/railiance/railiance/tools/internal/tell"
	"github.com/railiance/railiance/tools/internal/thunderbolt"
	"github.com/railiance/railiance/tools/internal/thunderbolt/probe"
)

type check struct {
	*shell.Shell

	context    string
	cluster    string
	prometheus string
	watch      time.Duration
	timeout    time.Duration
	iperf      bool
	layer      string
	issue      bool
	close      string
	list       bool
}

// Check is tb-check.
func Check(sh *shell.Shell) *cobra.Command {
	c := &check{Shell: sh}
	cmd := &cobra.Command{
		Use:   "tb-check [NODE…]",
		Short: "Check the Thunderbolt network of a cluster, and say what is wrong with it",
		Long: `Asks all nodes of the network over ssh, at once, what they see, lets each ping
every other one with small and with full-size packets, and ends in the smallest
set of faults that explains it all, with the commands that would mend them. It
changes nothing on a node. With NODE only these are asked and judged.

Exit status: 0 healthy; 1 something is wrong; 2 usage or configuration.`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, nodes []string) error { return c.run(cmd.Context(), nodes) },
	}
	f := cmd.Flags()
	f.StringVar(&c.layer, "layer", ".", "folder of the layer: its context, issues and changelogs")
	f.StringVar(&c.context, "context", "", "file of the cluster context; default: cluster-context/madagascar.json in the layer's folder")
	f.BoolVar(&c.issue, "issue", false, "open an issue for each fault, or add to the one that is open")
	f.StringVar(&c.close, "close", "", "close this `issue`, if its fault is gone on every node concerned")
	f.BoolVar(&c.list, "issues", false, "list the issues, and check nothing")
	f.StringVar(&c.cluster, "cluster", "", "name of the cluster, where the context has several")
	f.StringVar(&c.prometheus, "prometheus", "", "also write the diagnosis to this `file`, for node_exporter's textfile collector")
	f.DurationVar(&c.watch, "watch", 0, "check again and again, this long apart, until interrupted")
	f.Lookup("watch").NoOptDefVal = "10s"
	f.DurationVar(&c.timeout, "timeout", probe.DefaultTimeout, "how long a node may take to answer")
	f.BoolVar(&c.iperf, "iperf", false, "also measure the throughput of every pair, where iperf3 is installed; this loads the network")
	return cmd
}

func (c *check) run(ctx context.Context, nodes []string) error {
	if err := c.asked(nodes); err != nil {
		return err
	}
	if c.list {
		return c.listIssues()
	}
	if c.context == "" {
		c.context = filepath.Join(c.layer, "cluster-context", "madagascar.json")
	}
	plan, name, err := c.plan(nodes)
	if err != nil {
		return &shell.Usage{Err: err}
	}
	if c.timeout < time.Second || c.watch < 0 {
		return &shell.Usage{Err: errors.New("--timeout must be a second or more, and --watch not negative")}
	}
	// Connections of their own: a shared one that hangs outlives its commands.
	p := &probe.Probe{Plan: plan, Timeout: c.timeout, Now: c.Now, Reach: func(target string) host.Remote {
		return host.Remote{Target: target, ConnectTimeout: min(c.timeout, 5*time.Second)}
	}, Wait: func(what string) { c.Tell.Say("", "%s", what) }}
	return c.rounds(ctx, p, name, nodes)
}

func (c *check) rounds(ctx context.Context, p *probe.Probe, cluster string, nodes []string) error {
	for {
		d, err := c.once(ctx, p, cluster, nodes)
		if err != nil {
			return err
		}
		if c.watch == 0 {
			// Closed is closed, whatever else is wrong.
			if !d.Healthy() && c.close == "" {
				return shell.ErrTold
			}
			return nil
		}
		if c.Unread() {
			return nil
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(c.watch):
		}
	}
}

// report is what --json prints.
type report struct {
	Format  int                `json:"format"`
	Time    time.Time          `json:"time"`
	Cluster string             `json:"cluster"`
	Healthy bool               `json:"healthy"`
	Speeds  []probe.Throughput `json:"throughput,omitempty"`
	thunderbolt.Diagnosis
}

func (c *check) once(ctx context.Context, p *probe.Probe, cluster string, nodes []string) (thunderbolt.Diagnosis, error) {
	at := c.Now()
	d, err := p.Diagnose(ctx, nodes...)
	if err != nil {
		return d, err
	}
	r := report{Format: 1, Time: at.UTC(), Cluster: cluster, Healthy: d.Healthy(), Diagnosis: d}
	if c.iperf {
		r.Speeds = p.Measure(ctx, d)
	}
	if c.prometheus != "" {
		if err := state.ReplaceBytes(c.prometheus, d.Prometheus(cluster, at), 0o644); err != nil {
			return d, fmt.Errorf("metrics: %w", err)
		}
	}
	if err := c.Print(r, func(w io.Writer) {
		if c.watch > 0 {
			fmt.Fprintln(w, at.UTC().Format(time.RFC3339))
		}
		_ = d.Write(w) // Print notes what the writer fails with
		for _, s := range r.Speeds {
			fmt.Fprintln(w, s)
		}
	}); err != nil {
		return d, err
	}
	return d, c.issues(ctx, at, cluster, p.Plan, d)
}

// plan is the plan of the cluster, with the nodes that are asked for.
func (c *check) plan(nodes []string) (thunderbolt.Plan, string, error) {
	all, err := clustercontext.Read(c.context)
	if errors.Is(err, fs.ErrNotExist) {
		err = tell.Hint(err, "the context is looked for in the layer's folder; --context names another file")
	}
	if err != nil {
		return thunderbolt.Plan{}, "", err
	}
	for _, path := range all.Unknown {
		c.Tell.Warn("", "%s: %s: is not known, and left aside", c.context, host.Printable(path))
	}
	name := c.cluster
	if name == "" && len(all.Clusters) == 1 {
		name = all.Clusters[0].Name
	}
	if name == "" {
		return thunderbolt.Plan{}, "", fmt.Errorf("%s: has %d clusters: name one by --cluster", c.context, len(all.Clusters))
	}
	cluster, err := all.Cluster(name)
	if err != nil {
		return thunderbolt.Plan{}, "", err
	}
	plan, err := thunderbolt.PlanOf(cluster)
	if err != nil {
		return plan, "", err
	}
	for _, n := range nodes {
		if _, err := cluster.Node(n); err != nil {
			return plan, "", err
		}
		if plan.Node(n) == nil {
			return plan, "", fmt.Errorf("node %s has no place in the thunderbridge of %s", n, name)
		}
	}
	return plan, name, nil
}
