package tbcli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/railiance/railiance/tools/internal/host"
	"github.com/railiance/railiance/tools/internal/shell"
	"github.com/railiance/railiance/tools/internal/tbissue"
	"github.com/railiance/railiance/tools/internal/thunderbolt"
)

// book is the layer's folder of issues.
func book(layer string) (tbissue.Book, error) {
	dir, err := filepath.Abs(layer)
	if err != nil {
		return tbissue.Book{}, fmt.Errorf("layer: %w", err)
	}
	return tbissue.Book{Dir: filepath.Join(dir, "issues"), Changelog: filepath.Join(dir, filepath.Base(dir)+"-changelog.json"), Page: filepath.Join(dir, "CHANGELOG.md")}, nil
}

// issues does what --issue and --close ask for.
func (c *check) issues(ctx context.Context, at time.Time, cluster string, plan thunderbolt.Plan, d thunderbolt.Diagnosis) error {
	if !c.issue && c.close == "" {
		return nil
	}
	b, err := book(c.layer)
	if err != nil {
		return err
	}
	seen := tbissue.Check{Time: at, Cluster: cluster, Tool: c.Tool(), Plan: plan, Diagnosis: d}
	if c.close != "" {
		if err := b.Close(ctx, c.close, seen); err != nil {
			return err
		}
		c.Tell.Say("", "%s is closed", c.close)
		return nil
	}
	filed, err := b.File(ctx, seen)
	for _, f := range filed {
		what := "has new evidence"
		if f.New {
			what = "is opened"
		}
		c.Tell.Say("", "%s %s: %s", f.ID, what, host.Printable(f.Summary))
	}
	return err
}

// asked checks the flags about issues.
func (c *check) asked(nodes []string) error {
	switch {
	case c.close != "" && !tbissue.ValidID(c.close):
		return &shell.Usage{Err: fmt.Errorf("--close: %q is no issue; they are called ISSUE-2026-001", c.close)}
	case c.close != "" && (len(nodes) > 0 || c.issue || c.watch > 0):
		return &shell.Usage{Err: errors.New("--close checks all nodes, once; it goes with neither NODE nor --issue nor --watch")}
	case c.list && (len(nodes) > 0 || c.issue || c.close != "" || c.watch > 0):
		return &shell.Usage{Err: errors.New("--issues lists what there is, and checks nothing")}
	}
	return nil
}

// listIssues prints what issues there are.
func (c *check) listIssues() error {
	b, err := book(c.layer)
	if err != nil {
		return err
	}
	all, err := b.List()
	if all == nil {
		all = []tbissue.Issue{}
	}
	return errors.Join(c.Print(struct {
		Format int             `json:"format"`
		Issues []tbissue.Issue `json:"issues"`
	}{1, all}, func(w io.Writer) {
		if len(all) == 0 {
			fmt.Fprintln(w, "no issues")
			return
		}
		t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		fmt.Fprintln(t, "ISSUE\tSTATUS\tOPENED\tNODES\tSUMMARY")
		for _, i := range all {
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", i.ID, i.Status, host.Printable(i.Opened), host.Printable(strings.Join(i.Nodes, ", ")), host.Printable(i.Summary))
		}
		_ = t.Flush() // Print notes what the writer fails with
	}), err)
}
