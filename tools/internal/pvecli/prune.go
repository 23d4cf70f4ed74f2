package pvecli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/railiance/railiance/tools/internal/catalog"
	"github.com/railiance/railiance/tools/internal/guestbackup"
	"github.com/railiance/railiance/tools/internal/guestset"
	"github.com/railiance/railiance/tools/internal/plugin"
	"github.com/railiance/railiance/tools/internal/tell"
)

func prune(sh *plugin.Shell) *cobra.Command {
	var w where
	var dry, acknowledge bool
	verb := &cobra.Command{
		Use:   "prune [GUEST…]",
		Short: "Remove the sets that no rule of retention keeps, and say why each other one stays",
		Long: `Each guest's sets are judged in each site by the guest's own rules, as Proxmox
does. The newest complete set, protected ones and those from the future stay
whatever the rules say, and nothing goes whose last backup failed or holds far
less than before. A backup prunes by itself; this is for a policy that changed,
and for sites that were away.

With --acknowledge it also notes, signed, that you know why sets are gone that
nobody had pruned, as when a disk was replaced: verify fails for them until
then. It does so for what a backup or a prune has told of before, and not
for what vanished since.

Exit status: 0 done; 1 something could not be judged or removed; 2 usage or
configuration; 3 another run holds the lock.`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			e, err := open(cmd.Context(), sh, w)
			if err != nil {
				return err
			}
			return e.prune(cmd.Context(), args, dry, acknowledge)
		},
	}
	verb.Flags().StringVar(&w.site, "site", "", "in this site alone, as server/store (default: all of layer.yaml)")
	verb.Flags().BoolVar(&dry, "dry-run", false, "say what would go, and remove nothing")
	verb.Flags().BoolVar(&acknowledge, "acknowledge", false, "tell no more of lost sets that were told of before")
	return verb
}

func (e *estate) prune(ctx context.Context, args []string, dry, acknowledge bool) error {
	run := e.run(choice{}, len(args) > 0)
	run.Acknowledge = acknowledge
	if err := run.SetUp(); err != nil {
		return &plugin.Usage{Err: err}
	}
	folders, err := e.folders(ctx, args)
	if err != nil {
		return err
	}
	all, err := e.kept(folders)
	if err != nil {
		return err
	}
	results, err := run.Prune(ctx, all, dry)
	changed := map[string]bool{} // folder in site
	removed, known, refused := 0, 0, 0
	for _, r := range results {
		for _, s := range r.Sets {
			if r.Refused != "" && len(s.Reasons) == 0 {
				refused++
			}
			if s.Gone {
				removed++
				changed[r.Folder+" in "+r.Site] = true
			}
		}
		if len(r.Acknowledged) > 0 && !dry {
			known += len(r.Acknowledged)
			changed[r.Folder+" in "+r.Site] = true
		}
		if err := e.showPruned(r, dry); err != nil {
			return err
		}
	}
	if errors.Is(err, guestbackup.ErrFailed) {
		err = plugin.ErrTold
	}
	if len(changed) > 0 {
		a := account{summary: fmt.Sprintf("prune: %d sets removed", removed), affected: slices.Sorted(maps.Keys(changed))}
		if known > 0 {
			a.summary += fmt.Sprintf(", the loss of %d acknowledged", known)
		}
		err = errors.Join(err, e.writeView(context.WithoutCancel(ctx)), record(ctx, e.Shell, e.layer, a))
	}
	if refused > 0 {
		err = errors.Join(err, tell.Hint(fmt.Errorf("%d sets that no rule keeps stay for now", refused), "see above why; the next backup that is good, and not in doubt, lets them go"))
	}
	return errors.Join(err, e.done())
}

// kept are the subjects of the folders, each once, with their rules.
func (e *estate) kept(folders []folder) ([]guestbackup.Kept, error) {
	guests, _, err := e.guests()
	if err != nil {
		return nil, err
	}
	var all []guestbackup.Kept
	seen := map[guestset.Subject]bool{}
	for _, f := range folders {
		if seen[f.subject] {
			continue
		}
		seen[f.subject] = true
		k := guestbackup.Kept{Subject: f.subject, Rule: e.rule(f.subject, guests)}
		if _, known := guests[f.subject]; !known && f.subject.Kind != guestset.Node && !e.layer.Guests.KeepIsSure(f.subject.ID) {
			e.Tell.Warn(f.subject.String(), "not in the newest discovery, so its tags and its pool, by which layer.yaml keeps sets, are not known: all of its sets stay; "+
				"discover, or a rule for guest %d, says what to keep", f.subject.ID)
			k.Rule.Keep = catalog.Keep{}
		}
		// A site that the policy names no more for this guest may still hold sets.
		k.Rule.Sites = nil
		for _, p := range e.places {
			k.Rule.Sites = append(k.Rule.Sites, p.name)
		}
		all = append(all, k)
	}
	return all, nil
}

func (e *estate) showPruned(r guestbackup.PruneResult, dry bool) error {
	line := struct {
		Format int  `json:"format"`
		DryRun bool `json:"dryRun"`
		guestbackup.PruneResult
	}{1, dry, r}
	return e.Print(line, func(w io.Writer) {
		if r.Refused != "" && len(r.Sets) > 0 {
			fmt.Fprintf(w, "%-12s %-16s nothing goes: %s\n", r.Folder, r.Site, tell.Line(r.Refused))
		}
		for _, s := range r.Sets {
			verdict := "stays: " + strings.Join(s.Reasons, ", ")
			switch {
			case s.Gone:
				verdict = "removed"
			case len(s.Reasons) == 0 && r.Refused != "":
				verdict = "stays: see above"
			case len(s.Reasons) == 0 && dry:
				verdict = "would be removed"
			case len(s.Reasons) == 0:
				verdict = "NOT REMOVED"
			}
			fmt.Fprintf(w, "%-12s %-16s %s %10s  %s\n", r.Folder, r.Site, s.Time.Format(catalog.TimeLayout), tell.Bytes(s.Size), verdict)
		}
		for _, name := range r.Acknowledged {
			verdict := "gone, acknowledged"
			if dry {
				verdict = "gone, would be acknowledged"
			}
			fmt.Fprintf(w, "%-12s %-16s %s  %s\n", r.Folder, r.Site, name, verdict)
		}
		if r.Failed != "" {
			fmt.Fprintf(w, "%-12s %-16s FAILED: %s\n", r.Folder, r.Site, tell.Line(r.Failed))
		}
	})
}
