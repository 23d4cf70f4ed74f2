package setrun

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/railiance/railiance/tools/internal/catalog"
	"github.com/railiance/railiance/tools/internal/state"
)

type note struct {
	Format int         `json:"format"`
	Time   time.Time   `json:"time"` // of the set
	PID    int         `json:"pid"`
	Left   []time.Time `json:"left,omitempty"` // of earlier ones that could not be swept
}

// Begin notes that a set of time t is being made.
func (f *Folder) Begin(t time.Time) error {
	if err := os.MkdirAll(filepath.Dir(f.Note), 0o700); err != nil {
		return err
	}
	return state.Replace(f.Note, note{Format: 1, Time: t, PID: os.Getpid(), Left: f.left})
}

// End notes that none is.
func (f *Folder) End() error {
	if len(f.left) > 0 {
		return state.Replace(f.Note, note{Format: 1, Time: f.left[0], PID: os.Getpid(), Left: f.left[1:]})
	}
	if err := os.Remove(f.Note); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// sweep removes what killed runs left: drafts, the unfinished set, and the rest
// of sets that were being pruned. It tells of all of it, and whether it is gone.
func (f *Folder) sweep(ctx context.Context, sets []catalog.Set) bool {
	var errs []error
	swept, err := f.Drafts(ctx)
	errs = append(errs, err)
	for _, path := range []string{f.Seen, f.Note} {
		drafts, err := state.SweepSeen(path)
		swept = append(swept, drafts...)
		errs = append(errs, err)
	}
	for _, t := range f.unfinished(sets) {
		gone, err := f.removeSet(ctx, t)
		swept = append(swept, gone...)
		if err != nil {
			f.left = append(f.left, t)
		}
		errs = append(errs, err)
	}
	for _, name := range swept {
		f.Tell.Say(f.Asset, "swept %s: a run before was killed", name)
	}
	if err := errors.Join(errs...); err != nil {
		f.Tell.Fail(f.Asset, fmt.Errorf("what a killed run left remains: %w", err))
		return false
	}
	return true
}

// unfinished are the times of sets that are none: of the run that was killed,
// and of those that the newest manifest let go.
func (f *Folder) unfinished(sets []catalog.Set) []time.Time {
	var times []time.Time
	var n note
	b, err := os.ReadFile(f.Note)
	if err == nil && json.Unmarshal(b, &n) == nil && n.Format == 1 {
		times = append(n.Left, n.Time)
	}
	if len(sets) > 0 {
		for _, name := range sets[0].Prunes {
			if t, ok := catalog.TimeOf(name); ok {
				times = append(times, t)
			}
		}
	}
	return slices.DeleteFunc(times, func(t time.Time) bool {
		_, whole := catalog.At(sets, t)
		return whole
	})
}

// removeSet removes every file that we wrote for the set of time t, unless it
// is one after all.
func (f *Folder) removeSet(ctx context.Context, t time.Time) ([]string, error) {
	entries, err := f.Store.List(ctx, "")
	if err != nil {
		return nil, err
	}
	var gone []string
	for _, e := range entries {
		switch e.Name {
		case catalog.ManifestName(t) + catalog.ProtectedSuffix:
			return nil, nil
		case catalog.ManifestName(t) + catalog.SignatureSuffix:
			// The signature is written last and removed first: this is a set,
			// though one that is not trusted or could not be read just now.
			return nil, nil
		}
	}
	for _, e := range entries {
		if !catalog.BelongsTo(e.Name, t) {
			continue
		}
		if err := f.Store.Remove(ctx, e.Name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return gone, err
		}
		gone = append(gone, e.Name)
	}
	return gone, nil
}
