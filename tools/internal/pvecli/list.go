package pvecli

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/railiance/railiance/tools/internal/catalog"
	"github.com/railiance/railiance/tools/internal/host"
	"github.com/railiance/railiance/tools/internal/plugin"
	"github.com/railiance/railiance/tools/internal/tell"
)

func list(sh *plugin.Shell) *cobra.Command {
	var w where
	verb := &cobra.Command{
		Use:   "list [GUEST…]",
		Short: "List the sets of guests and nodes in every site, the newest first",
		Long: `Lists what stands in the sites: of the guests that are named, as 100, vm-100 or
node-baobab, or of all. What nobody vouches for is listed as such.

Exit status: 0 listed; 1 a site could not be read, or something is not to be
trusted; 2 usage or configuration.`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			e, err := open(cmd.Context(), sh, w)
			if err != nil {
				return err
			}
			folders, err := e.folders(cmd.Context(), args)
			if err != nil {
				return err
			}
			for _, f := range folders {
				if err := e.listFolder(f); err != nil {
					return err
				}
			}
			if len(folders) == 0 && e.broken == 0 {
				sh.Tell.Warn("", "the sites hold no set yet")
			}
			return e.done()
		},
	}
	w.flags(verb)
	return verb
}

// listed is a set as the list shows it.
type listed struct {
	Format    int       `json:"format"`
	Site      string    `json:"site"`
	Folder    string    `json:"folder"`
	Manifest  string    `json:"manifest"`
	Trusted   bool      `json:"trusted"`
	Why       string    `json:"why,omitempty"` // it is not
	Time      time.Time `json:"time,omitzero"`
	Seconds   int64     `json:"ageSeconds"`
	Sequence  int64     `json:"sequence"`
	Complete  bool      `json:"complete"`
	Protected bool      `json:"protected"`
	Size      int64     `json:"size"`           // bytes in the site
	Bytes     int64     `json:"bytes"`          // of the guest
	Name      string    `json:"name,omitempty"` // of the guest
	Node      string    `json:"node,omitempty"` // where it ran
	Failed    []string  `json:"failed,omitempty"`
}

func (f folder) listed(s catalog.Set, now time.Time) listed {
	line := listed{
		Format: 1, Site: f.place.name, Folder: f.subject.String(), Manifest: s.Name(), Trusted: true, Time: s.Time,
		Seconds: int64(now.Sub(s.Time).Seconds()), Sequence: s.Sequence, Complete: s.Complete(), Protected: s.Protected,
	}
	for _, a := range s.Artifacts {
		line.Size += a.Size
	}
	if a, there := s.Artifact(line.Folder); there {
		line.Bytes = a.Contents["bytes"]
		line.Name, line.Node = host.Printable(a.Source["name"]), host.Printable(a.Source["node"])
	}
	for _, failure := range s.Failures {
		line.Failed = append(line.Failed, host.Printable(failure.What))
	}
	return line
}

func (l listed) text(w io.Writer) {
	verdict := "complete"
	switch {
	case !l.Trusted:
		fmt.Fprintf(w, "%-12s %-16s %s\n", l.Folder, l.Site, "NOT TRUSTED: "+l.Manifest+": "+l.Why)
		return
	case !l.Complete:
		verdict = "NOT COMPLETE: " + strings.Join(l.Failed, "; ")
	}
	if l.Protected {
		verdict += ", protected"
	}
	fmt.Fprintf(w, "%-12s %-16s %s %6s old %10s of %10s  %-20s %-10s %s\n", l.Folder, l.Site, l.Time.Format(catalog.TimeLayout),
		tell.Age(time.Duration(l.Seconds)*time.Second), tell.Bytes(l.Size), tell.Bytes(l.Bytes), l.Name, l.Node, verdict)
}

// listFolder prints the sets of a folder. What is not to be trusted there fails
// the verb, and hides nothing.
func (e *estate) listFolder(f folder) error {
	for _, s := range f.backups() {
		line := f.listed(s, e.Now())
		if err := e.Print(line, line.text); err != nil {
			return err
		}
	}
	for _, p := range f.problems {
		e.broken++
		line := listed{Format: 1, Site: f.place.name, Folder: f.subject.String(), Manifest: host.Printable(p.Name), Why: host.Printable(tell.Line(p.Err.Error()))}
		if err := e.Print(line, line.text); err != nil {
			return err
		}
	}
	if len(f.sets)+len(f.problems) == 0 && f.err == nil {
		e.Tell.Fail(f.title(), tell.Hint(errors.New("holds no set: none was ever completed, or all were taken away"), "verify says more"))
		e.broken++
	}
	return nil
}
