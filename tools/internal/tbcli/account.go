package tbcli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/railiance/railiance/tools/internal/records"
	"github.com/railiance/railiance/tools/internal/tbdeploy"
	"github.com/railiance/railiance/tools/internal/tell"
)

// account tells the changelogs what was changed, and what was tried in vain.
func (d *deploy) account(ctx context.Context, log, page string, r tbdeploy.Result, why error) error {
	switch r.Outcome {
	case tbdeploy.Confirmed, tbdeploy.Undone, tbdeploy.Unknown, tbdeploy.Cleared:
	default:
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	verb := "deployed to"
	if d.Rollback {
		verb = "rolled back on"
	}
	summary := fmt.Sprintf("thunderbolt: %s %s", verb, r.Node)
	switch r.Outcome {
	case tbdeploy.Undone:
		summary += ", and undone"
	case tbdeploy.Unknown:
		summary += ", and it is not known whether it was undone"
	case tbdeploy.Cleared: // whoever had begun it has told nobody
		summary = fmt.Sprintf("thunderbolt: an earlier deployment to %s, which had not come to its end, is %s", r.Node, r.Earlier)
		r.Changes = nil
	}
	var details []string
	affected := []string{r.Node}
	for _, c := range r.Changes {
		detail := c.What + " " + c.Path
		if sum := r.Sums[c.Path]; sum != "" {
			detail += " sha256 " + sum
		}
		details = append(details, detail)
		affected = append(affected, r.Node+":"+c.Path)
	}
	if len(r.Changes) == 0 && r.Outcome != tbdeploy.Cleared {
		details = append(details, "no file changed; the interfaces were set up anew")
	}
	for _, f := range r.Before.Faults {
		details = append(details, "before: "+f.What)
	}
	for _, f := range r.After.Faults {
		switch {
		case r.Outcome == tbdeploy.Confirmed:
			details = append(details, "after: "+f.What)
		case !has(r.Before, f):
			details = append(details, "before it was undone: "+f.What)
		}
	}
	if why != nil {
		details = append(details, tell.Line(why.Error()))
	}
	now := d.Now().UTC()
	entry, err := records.Append(ctx, log, records.Entry{Timestamp: now, Project: "thunderbolt", Summary: summary, Details: strings.Join(details, "\n"), AffectedResources: affected})
	line := now.Format(time.RFC3339) + " " + summary
	if err == nil {
		line += " (" + entry.ID + ")"
	}
	err = errors.Join(err, records.AppendLine(ctx, page, now.Format("2006-01"), line))
	return tell.Hint(err, "what was done is done, and is not in the changelogs")
}
