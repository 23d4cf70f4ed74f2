package restorecli

import (
	"fmt"
	"io"

	"github.com/railiance/railiance/tools/internal/catalog"
	"github.com/railiance/railiance/tools/internal/layer"
	"github.com/railiance/railiance/tools/internal/plugin"
	"github.com/railiance/railiance/tools/internal/recovery"
	"github.com/railiance/railiance/tools/internal/tell"
)

func showPlan(w io.Writer, p recovery.Plan) {
	fmt.Fprintf(w, "restore %s", p.Manifest)
	if p.Host != "" {
		fmt.Fprintf(w, " of %s, datastore %s", p.Host, p.Datastore)
	}
	fmt.Fprintln(w)
	if p.Stands != "" {
		fmt.Fprintf(w, "it was begun before: %s\n", p.Stands)
	}
	for _, d := range p.Differs {
		fmt.Fprintf(w, "  %s: %s\n", d.What, d.How)
		for _, line := range d.Lines {
			fmt.Fprintf(w, "      %s\n", line)
		}
	}
	for _, warning := range p.Warnings {
		fmt.Fprintf(w, "  WARNING: %s\n", warning)
	}
	fmt.Fprintln(w, "steps:")
	for i, step := range p.Steps {
		fmt.Fprintf(w, "  %d. %s\n", i+1, step)
	}
}

// told prints what a finished restore serves, and fails where it lacks
// something.
func told(sh *plugin.Shell, l *layer.Layer, from string, set catalog.Set, report *recovery.Report) error {
	err := sh.Print(report, func(w io.Writer) {
		fmt.Fprintf(w, "%-52s %8s %8s\n", "", "saved", "served")
		for _, c := range report.Counts {
			verdict := ""
			if c.Lacks {
				verdict = "  MISSING"
			}
			fmt.Fprintf(w, "%-52s %8d %8d%s\n", c.What, c.Saved, c.Found, verdict)
		}
		fmt.Fprintf(w, "restored from %s; what was there before is in %s: remove it when all is well\n", set.Name(), report.Before)
		if from != l.Backups {
			fmt.Fprintf(w, "copy the sets from %s to %s, so that the next backup goes on with their chain; on a new machine,\nmake trust pins the key that it signs with\n", from, l.Backups)
		}
	})
	if err == nil && report.Missing > 0 {
		err = tell.Hint(fmt.Errorf("the server runs, but serves less than was saved of %d kinds", report.Missing), "%s puts back what was there before", recovery.WayBack)
	}
	return err
}
