package recovery

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/railiance/railiance/tools/internal/layer"
	"github.com/railiance/railiance/tools/internal/tell"
)

// Newest is the restore that Back would take back: the one under way, or else
// the last one that ended here. Without one it is nil.
func Newest(l *layer.Layer) (*Journal, error) {
	j, err := ReadJournal(l.K3s)
	if j != nil || err != nil {
		return j, err
	}
	p, err := findPlaces(l)
	if err != nil {
		return nil, err
	}
	// The names are times, so the last one is the newest.
	copies, err := filepath.Glob(filepath.Join(p.root, beforePrefix+"*", filepath.Base(p.journal())))
	if err != nil {
		return nil, err
	}
	for _, path := range slices.Backward(copies) {
		j, err := readJournal(path)
		if err != nil {
			return nil, err
		}
		if j.Undone.IsZero() && j.Before == filepath.Dir(path) {
			return j, nil
		}
	}
	return nil, nil
}

// Back puts back what was there before the restore of j began. What the
// restore had made goes into the safety copy in its place.
func (r *Restore) Back(ctx context.Context, j *Journal, agree func(Plan) error) error {
	p, err := findPlaces(r.Layer)
	if err != nil {
		return err
	}
	r.places, r.journal, r.KeepConfig = p, j, j.KeepConfig
	if !exists(j.Before) {
		return tell.Hint(fmt.Errorf("%s is gone: there is nothing to put back", j.Before), "make restore lists the sets")
	}
	steps := []string{"systemctl stop " + r.Layer.K3s.Service, "put back what is kept in " + j.Before}
	if j.Ran {
		steps = append(steps, "systemctl start "+r.Layer.K3s.Service)
	}
	if err := agree(Plan{Format: 1, Manifest: j.Manifest, Stands: j.Stands(), Steps: steps}); err != nil {
		return err
	}
	if err := r.goBack(ctx); err != nil {
		return tell.Hint(err, "%s goes on from here; what was there before is kept in %s", WayBack, j.Before)
	}
	j.Undone = r.Now().UTC()
	return r.shelve()
}

func (r *Restore) goBack(ctx context.Context) error {
	r.journal.GoingBack = true
	if err := r.note("back", false); err != nil {
		return err
	}
	was, err := r.active(ctx)
	if err != nil {
		return err
	}
	if err := r.halt(ctx, was); err != nil {
		return err
	}
	if err := errors.Join(r.places.wipe(), r.backFiles(), r.backDatastore()); err != nil {
		return err
	}
	if r.journal.Ran {
		if err := errors.Join(r.start(ctx), ctx.Err()); err != nil {
			return err
		}
		return r.ready(ctx)
	}
	return nil
}

// backFiles copies the small files back; the safety copy keeps its own. Before
// that copy was whole nothing had been changed.
func (r *Restore) backFiles() error {
	if !exists(r.kept("files")) {
		return nil
	}
	for _, it := range r.smallItems() {
		kept := r.kept("files", it.name)
		draft := it.path + ".railiance"
		if err := os.RemoveAll(draft); err != nil {
			return err
		}
		if exists(kept) {
			if err := folder(filepath.Dir(it.path), 0o755); err != nil {
				return err
			}
			if err := copyTree(kept, draft); err != nil {
				return full(fmt.Errorf("put back %s: %w", it.path, err))
			}
		}
		if err := os.RemoveAll(it.path); err != nil {
			return err
		}
		if exists(kept) {
			if err := rename(draft, it.path); err != nil {
				return err
			}
		}
	}
	for _, path := range r.journal.Made {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// backDatastore renames the datastore back. One that is to be back and is not
// in the safety copy any more was put back by a run before this one.
func (r *Restore) backDatastore() error {
	if r.journal.Moved == nil {
		return nil
	}
	stray := ""
	for _, name := range datastoreItems() {
		here, kept := filepath.Join(r.places.db, name), r.kept("db", name)
		ours := slices.Contains(r.journal.Moved, name)
		if ours && !exists(kept) {
			continue
		}
		if exists(here) {
			if stray == "" {
				stray = r.freeStray()
				if err := folder(stray, 0o700); err != nil {
					return err
				}
			}
			if err := rename(here, filepath.Join(stray, name)); err != nil {
				return err
			}
		}
		if ours {
			if err := rename(kept, here); err != nil {
				return fmt.Errorf("put back %s: %w", here, err)
			}
		}
	}
	return nil
}
