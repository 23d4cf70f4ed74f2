package backup

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/railiance/railiance/tools/internal/catalog"
	"github.com/railiance/railiance/tools/internal/state"
	"github.com/railiance/railiance/tools/internal/tell"
)

// noteName is the file that says which set a run is making. A run that was
// killed leaves it, and so the next one knows what is debris: names alone
// would not tell a torn set from files that somebody saved here by hand.
const noteName = ".run"

type note struct {
	Format int       `json:"format"`
	Time   time.Time `json:"time"` // of the set
	PID    int       `json:"pid"`
}

func (r *Run) beginNote(at time.Time) error {
	err := state.Replace(filepath.Join(r.dir.Path(), noteName), note{Format: 1, Time: at, PID: os.Getpid()})
	if err != nil {
		return tell.Hint(fmt.Errorf("the backup folder cannot be written: %w", err), "nothing was changed; see df and mount for %s", r.dir.Path())
	}
	return nil
}

func (r *Run) endNote() error {
	if err := os.Remove(filepath.Join(r.dir.Path(), noteName)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// sweep removes what killed runs left: drafts, plaintext, the unfinished set,
// and the rest of sets that were being pruned. It tells of all of it.
func (r *Run) sweep(ctx context.Context, sets []catalog.Set) error {
	var errs []error
	swept, err := r.dir.Sweep()
	errs = append(errs, err)
	drafts, err := state.SweepSeen(r.Layer.Seen)
	swept = append(swept, drafts...)
	errs = append(errs, err)
	for _, a := range r.Layer.Assets {
		plaintext, err := a.Kind.Sweep(ctx)
		swept = append(swept, plaintext...)
		if err != nil {
			r.Tell.Fail(a.Name, err)
			errs = append(errs, err)
		}
	}
	for _, t := range r.unfinished(sets) {
		gone, err := r.removeSet(ctx, t)
		swept = append(swept, gone...)
		errs = append(errs, err)
	}
	for _, name := range swept {
		r.Tell.Say("", "swept %s: a run before was killed", name)
	}
	return errors.Join(errs...)
}

// unfinished are the times of sets that are none: of the run that was killed,
// and of those that the newest manifest let go.
func (r *Run) unfinished(sets []catalog.Set) []time.Time {
	var times []time.Time
	var n note
	b, err := os.ReadFile(filepath.Join(r.dir.Path(), noteName))
	if err == nil && json.Unmarshal(b, &n) == nil && n.Format == 1 {
		times = append(times, n.Time)
	}
	if len(sets) > 0 {
		for _, name := range sets[0].Prunes {
			if t, ok := catalog.TimeOf(name); ok {
				times = append(times, t)
			}
		}
	}
	var out []time.Time
	for _, t := range times {
		if _, whole := catalog.At(sets, t); !whole {
			out = append(out, t)
		}
	}
	return out
}

// removeSet removes every file that we wrote for the set of time t, unless it
// is one after all.
func (r *Run) removeSet(ctx context.Context, t time.Time) ([]string, error) {
	entries, err := r.dir.List(ctx, "")
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
		if err := r.dir.Remove(ctx, e.Name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return gone, err
		}
		gone = append(gone, e.Name)
	}
	return gone, nil
}

// abandon takes back what a run without a set had stored.
func (r *Run) abandon(m *catalog.Manifest) {
	ctx := context.Background() // the run's own may be over
	if err := errors.Join(catalog.Remove(ctx, r.dir, m), r.endNote()); err != nil {
		r.Tell.Fail("", err)
	}
}
