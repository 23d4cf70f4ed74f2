package pvecli

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/railiance/railiance/tools/internal/catalog"
	"github.com/railiance/railiance/tools/internal/host"
	"github.com/railiance/railiance/tools/internal/plugin"
	"github.com/railiance/railiance/tools/internal/tell"
)

func show(sh *plugin.Shell) *cobra.Command {
	var w where
	var at string
	var guide bool
	verb := &cobra.Command{
		Use:   "show GUEST",
		Short: "Show one set: what it holds, how it was made, what was found",
		Long: `Shows the newest complete set of a guest, or the one of --at, in each site that
holds it. What only the private key opens is not shown: extract writes the
guest's configuration out. With --guide it prints how a node is built anew from
its backup.`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return &plugin.Usage{Err: fmt.Errorf("show: name one guest, as 100, vm-100 or node-baobab")}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			when, err := parseAt(at)
			if err != nil {
				return err
			}
			e, err := open(cmd.Context(), sh, w)
			if err != nil {
				return err
			}
			folders, err := e.folders(cmd.Context(), args)
			if err != nil {
				return err
			}
			if guide {
				return e.showGuide(args[0])
			}
			shown := 0
			for _, f := range folders {
				set, ok := f.pick(when)
				if !ok {
					continue
				}
				shown++
				if err := e.showSet(f, set); err != nil {
					return err
				}
			}
			if shown == 0 && e.broken == 0 {
				return tell.Hint(fmt.Errorf("there is no such set of %s under a signature that is trusted", args[0]), "list shows what there is")
			}
			return e.done()
		},
	}
	w.flags(verb)
	verb.Flags().BoolVar(&guide, "guide", false, "how a node is built anew, as node-baobab")
	verb.Flags().StringVar(&at, "at", "", "time of the set, as "+catalog.TimeLayout+" (default: the newest complete one)")
	return verb
}

// parseAt reads the time of a set; none is the zero time.
func parseAt(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(catalog.TimeLayout, text)
	if err != nil {
		return t, &plugin.Usage{Err: tell.Hint(fmt.Errorf("at: %q is not a time such as 20261121T020000Z", text), "list shows the times of the sets")}
	}
	return t, nil
}

// pick is the set of that time, or, for none, the newest complete one.
func (f folder) pick(at time.Time) (catalog.Set, bool) {
	if at.IsZero() {
		return catalog.NewestComplete(f.backups())
	}
	return catalog.At(f.backups(), at)
}

type shown struct {
	Format   int               `json:"format"`
	Site     string            `json:"site"`
	Where    string            `json:"where"` // the site, as people know it
	Folder   string            `json:"folder"`
	Signer   string            `json:"signer"`
	Manifest *catalog.Manifest `json:"manifest"`
}

func (e *estate) showSet(f folder, s catalog.Set) error {
	line := shown{1, f.place.name, f.place.site.Where(), f.subject.String(), s.Signer.Principal, s.Manifest}
	return e.Print(line, func(w io.Writer) {
		p := host.Printable
		fmt.Fprintf(w, "%s in %s (%s)\n", line.Folder, line.Site, p(line.Where))
		fmt.Fprintf(w, "  %s, number %d, made %s ago on %s by %s, signed by %s\n", s.Name(), s.Sequence, tell.Age(e.Now().Sub(s.Time)), p(s.Host), p(s.Tool), p(line.Signer))
		for _, a := range s.Artifacts {
			fmt.Fprintf(w, "  %s  %s\n    sha256 %s\n    for %d recipients, in %s\n", a.Name, tell.Bytes(a.Size), a.SHA256, len(a.Recipients), time.Duration(a.Seconds*float64(time.Second)).Round(time.Second))
			for _, key := range slices.Sorted(maps.Keys(a.Source)) {
				fmt.Fprintf(w, "    %s: %s\n", p(key), p(a.Source[key]))
			}
			for _, key := range slices.Sorted(maps.Keys(a.Contents)) {
				fmt.Fprintf(w, "    %-24s %15d\n", p(key), a.Contents[key])
			}
			for _, c := range a.Checks {
				fmt.Fprintf(w, "    check %s: %s\n", p(c.Name), p(c.Verdict))
			}
		}
		for _, f := range s.Failures {
			fmt.Fprintf(w, "  FAILED %s: %s\n", p(f.Asset), p(f.What))
		}
		for _, f := range s.Findings {
			fmt.Fprintf(w, "  found %s: %s (%s)\n", p(f.Asset), p(f.What), p(f.Why))
		}
	})
}
