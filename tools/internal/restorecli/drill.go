package restorecli

import (
	"context"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/railiance/railiance/tools/internal/catalog"
	"github.com/railiance/railiance/tools/internal/drill"
	"github.com/railiance/railiance/tools/internal/layer"
	"github.com/railiance/railiance/tools/internal/layercli"
	"github.com/railiance/railiance/tools/internal/plugin"
	"github.com/railiance/railiance/tools/internal/state"
	"github.com/railiance/railiance/tools/internal/tell"
)

// drillInside is the verb by which a drill starts this executable again.
const drillInside = "__drill-boot"

type drillFlags struct {
	at, scratch string
	contents    bool
	ready       time.Duration
}

func drillVerb(sh *plugin.Shell) *cobra.Command {
	var f drillFlags
	verb := &cobra.Command{
		Use:   "drill",
		Short: "Restore the newest complete set where it does no harm, and compare what is in it",
		Long: `Opens every artifact of the set with the private key, to its end, and counts
what it holds against the signed manifest. Then, as root and where k3s is
installed, starts k3s itself on the datastore and asks it for what was saved:
objects by number, every Secret, every Helm release, and whether the saved
kubeconfig is accepted. That k3s runs in a sandbox: no network but its own
loopback, no writable folder but one in memory, no process of this machine in
sight. Nothing of it is left, however the drill ends.

A drill that finds nothing wrong stamps its proof: "booted", or "contents" where
k3s is not installed or --contents-only is given. It takes no lock: it changes
nothing but its stamp, and a backup must not wait for it.

Exit status: 0 proven; 1 something is wrong, or could not be tried; 2 usage or
configuration.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			l, err := sh.Layer()
			if err != nil {
				return err
			}
			return sh.Deed(cmd.Context(), l, plugin.Drill, func(ctx context.Context) error {
				return rehearse(ctx, sh, l, f)
			})
		},
	}
	verb.Flags().StringVar(&f.at, "at", "", "time of the set, as "+catalog.TimeLayout+"; default: the newest complete one, which alone is stamped")
	verb.Flags().BoolVar(&f.contents, "contents-only", false, "do not start k3s")
	verb.Flags().StringVar(&f.scratch, "scratch", "", "work in this folder instead of in memory: plaintext lies on its disk until the drill ends")
	verb.Flags().DurationVar(&f.ready, "ready", 5*time.Minute, "how long k3s may take until it is ready")
	return verb
}

// drillInsideVerb is called by a drill alone.
func drillInsideVerb() *cobra.Command {
	return &cobra.Command{
		Use: drillInside, Hidden: true,
		RunE: func(cmd *cobra.Command, _ []string) error { return drill.Inside(cmd.Context()) },
	}
}

func rehearse(ctx context.Context, sh *plugin.Shell, l *layer.Layer, f drillFlags) error {
	dir, found, problems, err := sets(ctx, l)
	if err != nil {
		return tell.Hint(err, "make backup makes the first set, make trust says whose signature counts")
	}
	for _, p := range problems {
		sh.Tell.Fail("", p)
	}
	asked := &source{at: f.at}
	// One that is not complete is rehearsed only where it is named.
	set, err := asked.pick(l, found, problems, func(s catalog.Set) bool { return s.Complete() || f.at != "" })
	if err != nil {
		return err
	}
	newest, ok := catalog.NewestComplete(found)
	identities, err := layercli.Keys(ctx, sh)
	if err != nil {
		return err
	}
	seen, err := state.ReadSeen(l.Seen)
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	sh.Tell.Say("", "drill of %s, number %d, of %s", set.Name(), set.Sequence, set.Host)
	table := drillTable(sh)
	wrong := 0
	// A set that may have been put back, or that others are missing beside, is
	// tried all the same; but it proves nothing.
	chain := catalog.Chain(found, catalog.Link{Manifest: seen.Manifest, SHA256: seen.SHA256}, seen.Sequence)
	for _, p := range chain {
		wrong++
		if err := table(drill.Check{Format: 1, Check: "chain", What: p.Name, Verdict: tell.Line(p.Err.Error()), Err: p.Err}); err != nil {
			return err
		}
	}
	d := &drill.Drill{
		Set: set, Store: dir, Keys: identities, Tell: sh.Tell,
		ContentsOnly: f.contents, Scratch: f.scratch, Ready: f.ready,
		Self: []string{self, drillInside}, Show: table,
	}
	result, err := d.Do(ctx)
	if err != nil {
		return err
	}
	result.Failed += wrong
	return toldLost(chain, conclude(sh, dir.Path(), set, ok && set.Name() == newest.Name(), result))
}

// drillTable prints each check, and tells of what is wrong with the way out.
func drillTable(sh *plugin.Shell) func(drill.Check) error {
	number := func(n *int64) string {
		if n == nil {
			return ""
		}
		return strconv.FormatInt(*n, 10)
	}
	if !sh.JSON {
		fmt.Fprintf(sh.Stdout, "%-10s %-44s %7s %7s  %s\n", "check", "of", "saved", "found", "verdict")
	}
	return func(c drill.Check) error {
		switch {
		case c.Err == nil:
		case strings.HasPrefix(c.Err.Error(), c.What):
			sh.Tell.Fail("", fmt.Errorf("%s: %w", c.Check, c.Err))
		default:
			sh.Tell.Fail("", fmt.Errorf("%s: %s: %w", c.Check, c.What, c.Err))
		}
		return sh.Print(c, func(w io.Writer) {
			fmt.Fprintf(w, "%-10s %-44s %7s %7s  %s\n", c.Check, c.What, number(c.Saved), number(c.Found), c.Verdict)
		})
	}
}

type drilled struct {
	Format    int     `json:"format"`
	Manifest  string  `json:"manifest"`
	Proof     string  `json:"proof,omitempty"` // empty: nothing is proven
	NotBooted string  `json:"notBooted,omitempty"`
	Failed    int     `json:"failed"`
	Seconds   float64 `json:"seconds"`
	Stamped   bool    `json:"stamped"`
}

// conclude stamps what was proven, if everything was.
func conclude(sh *plugin.Shell, dir string, set catalog.Set, newest bool, r drill.Result) error {
	line := drilled{1, set.Name(), r.Proof, r.NotBooted, r.Failed, r.Seconds, false}
	if r.Failed > 0 {
		line.Proof = ""
	} else if newest {
		err := state.WriteStamp(dir, state.DrillStamp, state.Stamp{
			Deed: "drill", Time: sh.Now().UTC(), Manifest: set.Name(), Seconds: r.Seconds, Proof: r.Proof, Counts: r.Counts,
		})
		if err != nil {
			return err
		}
		line.Stamped = true
	}
	err := sh.Print(line, func(w io.Writer) {
		if r.NotBooted != "" {
			fmt.Fprintf(w, "booted: not done: %s\n", r.NotBooted)
		}
		if line.Proof != "" {
			fmt.Fprintf(w, "proof: %s, of %s, restored in %.1f s\n", r.Proof, set.Name(), r.Seconds)
		}
		if line.Proof != "" && !newest {
			fmt.Fprintln(w, "not stamped: a newer complete set is there")
		}
	})
	if err != nil {
		return err
	}
	if r.Failed > 0 {
		return tell.Hint(fmt.Errorf("the drill of %s failed: checks that failed: %d; nothing is proven, and no stamp was written", set.Name(), r.Failed),
			"make restore lists the older sets, --at names one of them; make backup makes a new one")
	}
	sh.Tell.Say("", "drill of %s: proof %s, restored in %.1f s", set.Name(), r.Proof, r.Seconds)
	return nil
}
