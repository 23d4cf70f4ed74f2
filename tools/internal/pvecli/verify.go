package pvecli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"filippo.io/age"
	"github.com/spf13/cobra"

	"github.com/railiance/railiance/tools/internal/catalog"
	"github.com/railiance/railiance/tools/internal/host"
	"github.com/railiance/railiance/tools/internal/layercli"
	"github.com/railiance/railiance/tools/internal/plugin"
	"github.com/railiance/railiance/tools/internal/tell"
)

func verify(sh *plugin.Shell) *cobra.Command {
	var w where
	var deep bool
	part := share(1)
	verb := &cobra.Command{
		Use:   "verify [GUEST…]",
		Short: "Compare the artifacts in every site with their signed manifests; needs no private key",
		Long: `Reads signatures and chains of all sets, and every artifact to its end. Finds
what was torn, altered, swapped, forged, taken away, put back from an older copy,
or encrypted to other recipients than .sops.yaml names.

With --sample 5% it reads the newest set of each guest and a twentieth of all
that is older, what was not read for longest first, so that each set has its
turn. It says what it did not read.

With --deep, and the private key, it opens what it reads as well: decrypts,
decompresses, takes the archive apart, and compares each disk with the digest
that was noted while the guest was backed up.`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			w.key = deep
			e, err := open(cmd.Context(), sh, w)
			if err != nil {
				return err
			}
			v := &verification{estate: e, args: args, part: part, all: len(args) == 0 && w.site == "" && w.from == ""}
			if deep {
				if v.keys, err = layercli.Keys(cmd.Context(), sh); err != nil {
					return err
				}
			}
			if w.from != "" {
				return v.do(cmd.Context()) // a copy: nobody watches it
			}
			return sh.Deed(cmd.Context(), e.layer, plugin.Verify, v.do)
		},
	}
	w.flags(verb)
	verb.Flags().Var(&part, "sample", "how much of the older sets to read, as 5%")
	verb.Flags().BoolVar(&deep, "deep", false, "open what is read, with the private key")
	return verb
}

type verification struct {
	*estate
	args []string
	part share
	all  bool // every guest in every site is looked at
	keys []age.Identity

	bad    int
	lost   int             // of them sets that were gone before, which nobody has acknowledged
	spoilt map[string]bool // folders in which something is wrong
}

// verified is one line of the result.
type verified struct {
	Format  int    `json:"format"`
	Site    string `json:"site"`
	Folder  string `json:"folder"`
	Set     string `json:"set,omitempty"`
	Name    string `json:"name"`
	Verdict string `json:"verdict"` // "ok", or what is wrong
}

func (v *verification) line(f *folder, set, name string, err error) error {
	line := verified{1, f.place.name, f.subject.String(), set, host.Printable(name), "ok"}
	if err != nil {
		v.bad++
		v.spoilt[f.title()] = true
		line.Verdict = host.Printable(tell.Line(err.Error()))
		v.Tell.Fail(f.title(), fmt.Errorf("%s: %w", line.Name, err))
	}
	return v.Print(line, func(w io.Writer) {
		fmt.Fprintf(w, "%-12s %-16s %-48s %s\n", line.Folder, line.Site, line.Name, line.Verdict)
	})
}

func (v *verification) do(ctx context.Context) error {
	begin := v.Now()
	v.spoilt = map[string]bool{}
	folders, err := v.folders(ctx, v.args)
	if err != nil {
		return err
	}
	known := map[string]proofs{}
	for _, p := range v.places {
		known[p.name] = v.readProofs(p)
	}
	tasks, err := v.look(folders, known)
	if err != nil {
		return err
	}
	read, left := sample(tasks, v.part)
	for _, t := range read {
		if err := v.readSet(ctx, t, known[t.folder.place.name]); err != nil {
			return err
		}
	}
	for _, p := range v.places {
		if err := v.writeProofs(p, known[p.name], folders, len(v.args) == 0); err != nil {
			v.Tell.Warn(p.name, "what was verified is forgotten: %v", err)
		}
	}
	if err := v.summary(read, left); err != nil {
		return err
	}
	switch {
	case len(tasks) == 0 && v.bad == 0 && v.broken == 0:
		return tell.Hint(errors.New("the sites hold no set that can be trusted"), "make backup makes one; make trust says whose signature counts")
	case v.bad > 0:
		err := tell.Hint(fmt.Errorf("%d things are wrong", v.bad), "list shows the sets; do not prune or repair by hand before you know why")
		if v.lost > 0 {
			err = tell.Hint(err, "who knows why sets were gone says so with prune --acknowledge: then they are told of no more")
		}
		return err
	case v.broken > 0:
		return plugin.ErrTold
	}
	return v.succeeded(folders, read, left, v.Now().Sub(begin))
}

// look checks all that can be checked without an artifact.
func (v *verification) look(folders []folder, known map[string]proofs) ([]task, error) {
	var tasks []task
	for i := range folders {
		f := &folders[i]
		if f.err != nil {
			continue // told
		}
		chain, err := v.chain(*f)
		if err != nil {
			return nil, err
		}
		for _, p := range append(f.problems, chain...) {
			if err := v.line(f, "", p.Name, p.Err); err != nil {
				return nil, err
			}
			if errors.Is(p, catalog.ErrLost) {
				v.lost++
			}
		}
		for j, s := range f.backups() {
			tasks = append(tasks, task{f, s, j == 0, known[f.place.name].of(*f, s).Read})
		}
	}
	return tasks, nil
}

// pathOf is where the artifact would lie on this machine, as the rules of
// .sops.yaml see it.
func (v *verification) pathOf(f *folder, name string) string {
	return filepath.Join(v.layer.Backups, f.subject.String(), name)
}
