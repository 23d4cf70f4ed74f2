package pvecli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/railiance/railiance/tools/internal/guestbackup"
	"github.com/railiance/railiance/tools/internal/nodebackup"
	"github.com/railiance/railiance/tools/internal/tell"
)

func (e *estate) showResult(r guestbackup.Result) error {
	line := struct {
		Format int `json:"format"`
		guestbackup.Result
	}{1, r}
	return e.Print(line, func(w io.Writer) {
		fmt.Fprintf(w, "%-12s %-20s %-10s %-8s", r.Folder, r.Name, r.Node, r.Status)
		if r.Size > 0 {
			fmt.Fprintf(w, " %10s of %10s in %s", tell.Bytes(r.Size), tell.Bytes(r.Bytes), time.Duration(r.Seconds*float64(time.Second)).Round(time.Second))
		}
		if r.Why != "" {
			fmt.Fprintf(w, "  %s", tell.Line(r.Why))
		}
		fmt.Fprintln(w)
		for _, s := range r.Sites {
			if s.Why != "" {
				fmt.Fprintf(w, "    %s: %s\n", s.Site, tell.Line(s.Why))
			}
		}
		for _, out := range r.LeftOut {
			fmt.Fprintf(w, "    not in it: %s\n", out)
		}
	})
}

// tellOfBackup brings the view of all backups up to date and the changelogs.
func (e *estate) tellOfBackup(ctx context.Context, results []guestbackup.Result) error {
	counts := map[string]int{}
	var affected, details []string
	for _, r := range results {
		counts[r.Status]++
		if r.Status == guestbackup.Skipped {
			continue
		}
		affected = append(affected, r.Folder)
		detail := r.Folder + " on " + r.Node + ": " + r.Status
		if r.Why != "" {
			detail += " (" + tell.Line(r.Why) + ")"
		}
		for _, s := range r.Sites {
			if len(s.Pruned) > 0 {
				detail += fmt.Sprintf(", pruned %d in %s", len(s.Pruned), s.Site)
			}
		}
		details = append(details, detail)
	}
	if len(affected) == 0 {
		return nil // nothing was changed
	}
	if e.network != "" {
		details = append(details, e.network)
	}
	what := "guests"
	if slices.ContainsFunc(results, func(r guestbackup.Result) bool { return r.Type == nodebackup.Type && r.Status != guestbackup.Skipped }) {
		what = "guests and nodes"
	}
	summary := fmt.Sprintf("backup: %d %s done", counts[guestbackup.Done], what)
	for _, status := range []string{guestbackup.Partly, guestbackup.Failed, guestbackup.Skipped} {
		if counts[status] > 0 {
			summary += fmt.Sprintf(", %d %s", counts[status], status)
		}
	}
	return errors.Join(
		e.writeByHand(context.WithoutCancel(ctx)),
		e.writeView(context.WithoutCancel(ctx)),
		record(ctx, e.Shell, e.layer, account{summary, strings.Join(details, "; "), affected}))
}
