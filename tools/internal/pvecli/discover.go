package pvecli

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/railiance/railiance/tools/internal/catalog"
	"github.com/railiance/railiance/tools/internal/guestbackup"
	"github.com/railiance/railiance/tools/internal/guestset"
	"github.com/railiance/railiance/tools/internal/plugin"
	"github.com/railiance/railiance/tools/internal/pve"
	"github.com/railiance/railiance/tools/internal/tell"
)

func discover(sh *plugin.Shell) *cobra.Command {
	return &cobra.Command{
		Use:   "discover",
		Short: "Ask all nodes what guests there are, and which of them no backup covers",
		Long: `Asks every node of the cluster context over ssh, all at once, and writes what
they say to backups/manifest-<time>.json. Shows each guest, what a backup of it
leaves out, whether there is a backup of it, and what changed since the last
time. Changes nothing on any node.

Exit status: 0 every node answered; 1 one did not, or a site could not be read:
what is missing is marked; 2 usage or configuration.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			e, err := open(cmd.Context(), sh, where{})
			if err != nil {
				return err
			}
			return e.discoverAndShow(cmd.Context())
		},
	}
}

// discovered is one guest as discover shows it.
type discovered struct {
	Format int `json:"format"`
	pve.Guest
	LeftOut []string `json:"leftOut,omitempty"` // of a backup, each with why
	Covered bool     `json:"covered"`
	Skip    bool     `json:"skip"` // the policy wants none

	unsure bool // not every site could be read
}

func (d discovered) text(w io.Writer) {
	flags := d.Status
	for _, flag := range []struct {
		on   bool
		text string
	}{{d.Template, "template"}, {d.Lock != "", "LOCKED: " + d.Lock}, {d.Unseen, "NODE UNREACHABLE"}} {
		if flag.on {
			flags += ", " + flag.text
		}
	}
	cover := "covered"
	switch {
	case d.Skip:
		cover = "left out by policy"
	case !d.Covered && d.unsure:
		cover = "NOT KNOWN"
	case !d.Covered:
		cover = "NO BACKUP"
	}
	fmt.Fprintf(w, "%-4s %-10d %-20s %-10s %-20s %-18s %s\n", d.Short(), d.ID, d.Name, d.Node, flags, cover, strings.Join(d.Tags, ";"))
	for _, out := range d.LeftOut {
		fmt.Fprintf(w, "     not in a backup: %s\n", out)
	}
	for _, left := range d.Leftover {
		fmt.Fprintf(w, "     leftover: %s\n", left)
	}
}

func (e *estate) discoverAndShow(ctx context.Context) error {
	c, end, err := e.connect(ctx)
	if err != nil {
		return err
	}
	defer end()
	inv, path, changes, err := e.discover(ctx, c)
	if err != nil {
		return err
	}
	covered, err := e.covered(ctx)
	if err != nil {
		return err
	}
	for _, g := range inv.Guests {
		line := discovered{Format: 1, Guest: g, Covered: covered(g), Skip: e.ruleOf(g).Skip, unsure: e.broken > 0}
		for _, d := range g.LeftOut() {
			line.LeftOut = append(line.LeftOut, d.Called()+": "+d.Why)
		}
		if err := e.Print(line, line.text); err != nil {
			return err
		}
	}
	for _, change := range changes {
		line := struct {
			Format int    `json:"format"`
			Change string `json:"change"`
		}{1, change.String()}
		if err := e.Print(line, func(w io.Writer) { fmt.Fprintf(w, "changed: %s\n", line.Change) }); err != nil {
			return err
		}
	}
	uncovered := pve.Uncovered(inv, func(g pve.Guest) bool { return covered(g) || e.ruleOf(g).Skip })
	summary := struct {
		Format    int    `json:"format"`
		Manifest  string `json:"manifest"`
		Guests    int    `json:"guests"`
		Uncovered int    `json:"uncovered"`
		Partial   bool   `json:"partial"`
	}{1, path, len(inv.Guests), len(uncovered), inv.Partial}
	if err := e.Print(summary, func(w io.Writer) {
		known := ""
		if e.broken > 0 {
			known = " in the sites that can be read"
		}
		fmt.Fprintf(w, "%d guests, %d without a backup%s; written to %s\n", summary.Guests, summary.Uncovered, known, path)
	}); err != nil {
		return err
	}
	if err := e.recordChanges(ctx, path, changes); err != nil {
		return err
	}
	if inv.Partial {
		return tell.Hint(fmt.Errorf("not every node answered: guests may be missing in this list"), "see above")
	}
	return e.done()
}

// covered says of which guests some site holds a complete set as its newest.
func (e *estate) covered(ctx context.Context) (func(pve.Guest) bool, error) {
	folders, err := e.folders(ctx, nil)
	if err != nil {
		return nil, err
	}
	newest := map[guestset.Subject][]*catalog.Manifest{}
	for _, f := range folders {
		if set, ok := catalog.NewestComplete(f.backups()); ok {
			newest[f.subject] = append(newest[f.subject], set.Manifest)
		}
	}
	return func(g pve.Guest) bool {
		return slices.ContainsFunc(newest[subjectOf(g)], func(m *catalog.Manifest) bool { return guestbackup.Holds(m, g) })
	}, nil
}

// recordChanges tells the changelogs what differs from the last discovery.
func (e *estate) recordChanges(ctx context.Context, path string, changes []pve.Change) error {
	if len(changes) == 0 {
		return nil
	}
	a := account{summary: fmt.Sprintf("discovery found %d changes in cluster %s", len(changes), e.cluster.Name), affected: []string{path}}
	var details []string
	for _, change := range changes {
		details = append(details, change.String())
	}
	a.details = strings.Join(details, "; ")
	return record(ctx, e.Shell, e.layer, a)
}
