package restorecli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/railiance/railiance/tools/internal/catalog"
	"github.com/railiance/railiance/tools/internal/layer"
	"github.com/railiance/railiance/tools/internal/plugin"
	"github.com/railiance/railiance/tools/internal/sign"
	"github.com/railiance/railiance/tools/internal/state"
	"github.com/railiance/railiance/tools/internal/store"
	"github.com/railiance/railiance/tools/internal/tell"
)

// source is which set a verb is asked for.
type source struct {
	at   string
	from string
}

func (s *source) flags(verb *cobra.Command) {
	verb.Flags().StringVar(&s.at, "at", "", "time of the set, as it stands in its name (default: the newest that will do)")
	verb.Flags().StringVar(&s.from, "from", "", "folder that holds the sets (default: the layer's own)")
}

// open opens the folder of the sets.
func (s *source) open(l *layer.Layer) (*store.Dir, error) {
	if s.from == "" {
		dir, err := store.OpenDir(l.Backups)
		if errors.Is(err, fs.ErrNotExist) {
			err = tell.Hint(err, "FROM= names a folder with a copy of the sets (--from)")
		}
		return dir, err
	}
	if scheme, _, ok := strings.Cut(s.from, "://"); ok {
		return nil, &plugin.Usage{Err: tell.Hint(fmt.Errorf("from: %s: sets are read from folders alone as yet", scheme),
			"copy them into a folder first, or mount it, and name that")}
	}
	dir, err := store.OpenDir(s.from)
	if err != nil {
		return nil, &plugin.Usage{Err: fmt.Errorf("from: %w", err)}
	}
	return dir, nil
}

// choose finds the set that is asked for: under a signature that is trusted,
// of this layer, and good for what it is wanted for. What is wrong with other
// sets is told and does not stop anybody who needs this one.
func (s *source) choose(ctx context.Context, sh *plugin.Shell, l *layer.Layer, dir *store.Dir, good func(catalog.Set) bool) (catalog.Set, error) {
	trusted, err := sign.LoadTrust(l.Signers)
	if err != nil {
		return catalog.Set{}, tell.Hint(err, "allowed_signers comes with the repository; without it nobody can tell our sets from forged ones")
	}
	found, problems, err := catalog.Read(ctx, dir, trusted)
	if err != nil {
		return catalog.Set{}, err
	}
	seen, err := state.ReadSeen(l.Seen)
	if err != nil {
		sh.Tell.Fail("", err)
	}
	chain := catalog.Chain(found, catalog.Link{Manifest: seen.Manifest, SHA256: seen.SHA256}, seen.Sequence)
	set, err := s.pick(l, found, problems, good)
	if err != nil && s.at == "" {
		for _, p := range problems {
			sh.Tell.Fail("", p)
		}
		return catalog.Set{}, fmt.Errorf("%s: %w", dir.Path(), err)
	}
	if err != nil {
		return catalog.Set{}, err
	}
	for _, p := range append(problems, chain...) {
		// A newer set that is gone makes this one old: somebody may have put an
		// older copy of the folder back.
		newer := errors.Is(p, catalog.ErrRemoved) && p.Name > set.Name()
		if (p.Name == set.Name() || newer) && s.at == "" {
			return catalog.Set{}, tell.Hint(p, "who knows why names the set by its time: AT=%s", set.Time.Format(catalog.TimeLayout))
		}
		sh.Tell.Warn("", "%v", p)
	}
	return set, nil
}

// none says why no set will do.
func none(l *layer.Layer, found []catalog.Set, problems []catalog.Problem) error {
	held := map[string]bool{}
	for _, set := range found {
		for _, a := range set.Artifacts {
			held[a.Asset] = held[a.Asset] || set.Layer == l.Name && set.Holds(a.Asset)
		}
	}
	maps.DeleteFunc(held, func(_ string, whole bool) bool { return !whole })
	switch {
	case len(found)+len(problems) == 0:
		return errors.New("there is no set")
	case len(held) == 0:
		return fmt.Errorf("there is no set of layer %s under a signature that is trusted", l.Name)
	}
	return fmt.Errorf("no set holds whole what is asked for; what they hold: %s", strings.Join(slices.Sorted(maps.Keys(held)), ", "))
}

func (s *source) pick(l *layer.Layer, found []catalog.Set, problems []catalog.Problem, good func(catalog.Set) bool) (catalog.Set, error) {
	if s.at == "" {
		for _, set := range found {
			if set.Layer == l.Name && good(set) {
				return set, nil
			}
		}
		return catalog.Set{}, tell.Hint(none(l, found, problems), "make restore lists what there is; FROM= names a folder with a copy of the sets")
	}
	at, err := time.Parse(catalog.TimeLayout, s.at)
	if err != nil {
		return catalog.Set{}, &plugin.Usage{Err: fmt.Errorf("at: %q is not a time such as 20261121T020000Z", s.at)}
	}
	for _, p := range problems {
		if p.Name == catalog.ManifestName(at) {
			return catalog.Set{}, tell.Hint(p, "it is not restored from; make restore lists the others")
		}
	}
	set, ok := catalog.At(found, at)
	switch {
	case !ok:
		return catalog.Set{}, tell.Hint(fmt.Errorf("there is no set of %s", s.at), "make restore lists them")
	case set.Layer != l.Name:
		return catalog.Set{}, fmt.Errorf("%s belongs to layer %q, not to %q", set.Name(), set.Layer, l.Name)
	case !good(set):
		return catalog.Set{}, tell.Hint(fmt.Errorf("%s does not hold whole what is asked for", set.Name()), "make restore lists what each set holds")
	}
	return set, nil
}
