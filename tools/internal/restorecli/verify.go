package restorecli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/railiance/railiance/tools/internal/catalog"
	"github.com/railiance/railiance/tools/internal/layer"
	"github.com/railiance/railiance/tools/internal/plugin"
	"github.com/railiance/railiance/tools/internal/setcheck"
	"github.com/railiance/railiance/tools/internal/state"
	"github.com/railiance/railiance/tools/internal/store"
	"github.com/railiance/railiance/tools/internal/tell"
)

func verify(sh *plugin.Shell) *cobra.Command {
	return &cobra.Command{
		Use:   "verify",
		Short: "Compare every artifact of every set with its signed manifest; needs no private key",
		Long: `Reads everything: signatures, chain, and every artifact to its end. Finds what
was torn, altered, swapped, forged, taken away, put back from an older copy, or
encrypted to other recipients than .sops.yaml names.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			l, err := sh.Layer()
			if err != nil {
				return err
			}
			return sh.Deed(cmd.Context(), l, plugin.Verify, func(ctx context.Context) error {
				return verifyLayer(ctx, sh, l)
			})
		},
	}
}

// verified is one line of the result.
type verified struct {
	Format  int    `json:"format"`
	Name    string `json:"name"`
	Set     string `json:"set,omitempty"`
	Verdict string `json:"verdict"` // "ok", or what is wrong
}

func verifyLayer(ctx context.Context, sh *plugin.Shell, l *layer.Layer) error {
	begin := time.Now()
	dir, found, problems, err := sets(ctx, l)
	if err != nil {
		return err
	}
	bad := 0
	line := func(set, name string, err error) error {
		v := verified{1, name, set, "ok"}
		if err != nil {
			bad++
			v.Verdict = err.Error()
			sh.Tell.Fail("", fmt.Errorf("%s: %w", name, err))
		}
		return sh.Print(v, func(w io.Writer) { fmt.Fprintf(w, "%-52s %s\n", v.Name, v.Verdict) })
	}
	seen, err := state.ReadSeen(l.Seen)
	if err != nil {
		return err
	}
	chain := catalog.Chain(found, catalog.Link{Manifest: seen.Manifest, SHA256: seen.SHA256}, seen.Sequence)
	for _, p := range append(problems, chain...) {
		if err := line("", p.Name, p.Err); err != nil {
			return err
		}
	}
	for i, s := range found {
		if s.Layer != l.Name {
			if err := line(s.Name(), s.Name(), fmt.Errorf("it belongs to layer %q", s.Layer)); err != nil {
				return err
			}
		}
		for _, a := range s.Artifacts {
			err := catalog.VerifyArtifact(ctx, dir, a)
			if err != nil && setcheck.Gone(ctx, dir, s, a) {
				sh.Tell.Warn("", "%s went while it was read: a backup prunes; the next verify tells if it was somebody else", s.Name())
				break
			}
			if err == nil {
				err = recipients(sh, l, s, a, i == 0)
			}
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err := line(s.Name(), a.Name, err); err != nil {
				return err
			}
		}
	}
	strangers(ctx, sh, dir, found)
	switch {
	case len(found) == 0:
		return tell.Hint(fmt.Errorf("%s holds no set that can be trusted", dir.Path()), "make backup makes one; make trust says whose signature counts")
	case bad > 0:
		return toldLost(chain, tell.Hint(fmt.Errorf("%d things are wrong in %s", bad, dir.Path()), "make restore lists the sets; do not prune or repair by hand before you know why"))
	}
	return verifySucceeded(l, dir, found, time.Since(begin))
}

// toldLost adds to err what to do about sets that have been gone for longer.
func toldLost(chain []catalog.Problem, err error) error {
	if slices.ContainsFunc(chain, func(p catalog.Problem) bool { return errors.Is(p, catalog.ErrLost) }) {
		return tell.Hint(err, "who knows why sets were gone says so with make backup ACKNOWLEDGE=1: then they are told of no more")
	}
	return err
}

func verifySucceeded(l *layer.Layer, dir *store.Dir, found []catalog.Set, took time.Duration) error {
	newest := found[0]
	seen, err := state.ReadSeen(l.Seen)
	if err != nil {
		return err
	}
	if seen.Sequence > newest.Sequence {
		return nil // a backup has made a newer one meanwhile: this proof is of the past
	}
	return errors.Join(
		state.WriteSeen(l.Seen, state.Seen{Sequence: newest.Sequence, Manifest: newest.Name(), SHA256: newest.SHA256, Time: time.Now().UTC()}),
		state.WriteStamp(dir.Path(), state.VerifyStamp, state.Stamp{
			Deed: "verify", Time: time.Now().UTC(), Manifest: newest.Name(), Seconds: took.Seconds(),
		}))
}

// recipients compares whom an artifact was encrypted to with whom .sops.yaml
// names today. An older set may rightly be for the keys of its time: those keys
// must then be kept as long as the set.
func recipients(sh *plugin.Shell, l *layer.Layer, s catalog.Set, a catalog.Artifact, newest bool) error {
	if l.SOPS == "" {
		return fmt.Errorf("no .sops.yaml from %s upward says who may read it", l.Dir)
	}
	have, should, err := setcheck.Readers(l.SOPS, filepath.Join(l.Backups, a.Name), a)
	if err != nil || have == nil {
		return err
	}
	if newest {
		return tell.Hint(fmt.Errorf("wrong recipients: it is encrypted to %v, and %s names %v", have, l.SOPS, should),
			"make backup makes a set for the recipients of today")
	}
	sh.Tell.Warn(a.Asset, "%s is encrypted to the recipients of its time, %v: keep their private keys as long as the set", a.Name, have)
	return nil
}

// strangers are files that look like artifacts and belong to no set.
func strangers(ctx context.Context, sh *plugin.Shell, dir *store.Dir, found []catalog.Set) {
	names, err := setcheck.Strangers(ctx, dir, found)
	if err != nil {
		sh.Tell.Fail("", err)
	}
	for _, name := range names {
		sh.Tell.Warn("", "%s belongs to no trusted set: it is not ours, or a run was killed", name)
	}
}
