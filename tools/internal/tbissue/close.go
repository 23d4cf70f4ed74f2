package tbissue

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/railiance/railiance/tools/internal/records"
	"github.com/railiance/railiance/tools/internal/tell"
	"github.com/railiance/railiance/tools/internal/thunderbolt"
)

// Close closes an issue if the check shows that its fault is gone.
func (b Book) Close(ctx context.Context, id string, c Check) (err error) {
	if !ValidID(id) {
		return fmt.Errorf("issues: %q is no issue; they are called ISSUE-2026-001", id)
	}
	lock, err := b.lock(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Unlock()) }()
	issue, text, err := b.load(id)
	if err != nil {
		return err
	}
	if issue.Status == Closed {
		return fmt.Errorf("%s: is closed since %s", id, issue.Closed)
	}
	if err := issue.gone(c); err != nil {
		return err
	}
	entry, err := records.Append(ctx, b.Changelog, records.Entry{Timestamp: c.Time, Project: project, Summary: id + " closed: " + issue.Summary,
		Details: "a fresh check of " + strings.Join(issue.Nodes, ", ") + " does not find " + issue.Fault, AffectedResources: issue.Nodes})
	if err != nil {
		return err
	}
	text = put(closed(text, c.Time.UTC()), "Verification", verification(c, issue))
	text = put(text, "Changelog", "- "+entry.ID+": closed")
	if err := b.write(id, text); err != nil {
		return err
	}
	return records.AppendLine(ctx, b.Page, c.Time.UTC().Format("2006-01"), fmt.Sprintf("%s: %s is closed: %s (%s)", c.Time.UTC().Format(time.RFC3339), id, issue.Summary, entry.ID))
}

// gone says why it cannot be said that the fault is gone.
func (i Issue) gone(c Check) error {
	var errs []error
	for _, f := range c.Faults {
		if f.ID() == i.Fault {
			return tell.Hint(fmt.Errorf("%s: stays open: it is still so: %s", i.ID, f.What), "mend it first: make -C layers/madagascar deploy NODE=…")
		}
		// What is wrong at the same node may hide it: a link that is down tells
		// nothing of losses.
		if slices.ContainsFunc(nodesOf(f), func(n string) bool { return slices.Contains(i.Nodes, n) }) {
			errs = append(errs, fmt.Errorf("%s: stays open: something else is wrong there, and may hide it: %s", i.ID, f.What))
		}
	}
	for _, n := range i.Nodes {
		k := slices.IndexFunc(c.Nodes, func(s thunderbolt.NodeSeen) bool { return s.Name == n })
		if k < 0 || c.Nodes[k].State != "seen" {
			errs = append(errs, fmt.Errorf("%s: stays open: %s could not be looked at", i.ID, n))
		}
	}
	return errors.Join(errs...)
}
