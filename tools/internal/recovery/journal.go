package recovery

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/railiance/railiance/tools/internal/asset"
	"github.com/railiance/railiance/tools/internal/state"
	"github.com/railiance/railiance/tools/internal/tell"
)

// Journal is where a restore stands. Each step is noted before its first
// change and after its last, so that the next run knows what may be half done.
type Journal struct {
	Format     int       `json:"format"`
	Manifest   string    `json:"manifest"`
	SHA256     string    `json:"sha256"` // of the manifest's bytes
	From       string    `json:"from"`   // folder of the sets
	Begun      time.Time `json:"begun"`
	Before     string    `json:"before"` // folder of the safety copy
	KeepConfig bool      `json:"keepConfig,omitempty"`
	Ran        bool      `json:"ran,omitempty"` // k3s ran when it began, and has to when it is taken back
	// Moved are the files of the datastore that were there, which the safety
	// copy holds or is about to hold. Nil: that is not known yet.
	Moved []string `json:"moved"`
	// Made are files outside of the data directory that were not there.
	Made      []string  `json:"made,omitempty"`
	Steps     []Step    `json:"steps"`
	Ended     time.Time `json:"ended,omitzero"`
	GoingBack bool      `json:"goingBack,omitempty"`
	Undone    time.Time `json:"undone,omitzero"`
}

// Step is a step of a restore that was begun.
type Step struct {
	Name  string    `json:"name"`
	Begun time.Time `json:"begun"`
	Ended time.Time `json:"ended,omitzero"`
}

const journalLimit = 1 << 20 // bytes

// ReadJournal reads the journal of the restore that is under way on this
// machine; without one it returns nil.
func ReadJournal(k asset.K3s) (*Journal, error) {
	j, err := readJournal(k.Journal())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return j, err
}

func readJournal(path string) (*Journal, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Size() > journalLimit {
		return nil, fmt.Errorf("%s: %d bytes are too many", path, info.Size())
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var j Journal
	if err = json.Unmarshal(b, &j); err == nil && j.Format != 1 {
		err = fmt.Errorf("format %d is not known here", j.Format)
	}
	if err == nil && (!filepath.IsAbs(j.Before) || !strings.HasPrefix(filepath.Base(j.Before), beforePrefix)) {
		err = fmt.Errorf("before: %q is not a safety copy of ours", j.Before)
	}
	if err != nil {
		return nil, tell.Hint(fmt.Errorf("%s: %w", path, err), "it says where a restore stands; RESTORE.md goes on by hand")
	}
	return &j, nil
}

func (j *Journal) done(step string) bool {
	for _, s := range j.Steps {
		if s.Name == step {
			return !s.Ended.IsZero()
		}
	}
	return false
}

// Stands is the step that a restore stands at, for a person.
func (j *Journal) Stands() string {
	switch {
	case j.GoingBack:
		return "it is being taken back"
	case len(j.Steps) == 0:
		return "nothing was changed yet"
	}
	last := j.Steps[len(j.Steps)-1]
	if last.Ended.IsZero() {
		return fmt.Sprintf("step %q was begun at %s and did not end", last.Name, last.Begun.Format(time.RFC3339))
	}
	return fmt.Sprintf("step %q ended at %s", last.Name, last.Ended.Format(time.RFC3339))
}

// begin makes the folders and the journal: from here on there is something to
// go on with.
func (r *Restore) begin(ctx context.Context) error {
	if r.journal.Steps == nil {
		is, err := r.active(ctx)
		if err != nil {
			return err
		}
		r.journal.Ran, r.journal.Steps = !stopped(is), []Step{}
	}
	for _, dir := range []string{r.places.server, r.places.db, r.journal.Before} {
		if err := folder(dir, 0o700); err != nil {
			return fmt.Errorf("data directory: %w", err)
		}
	}
	return r.write()
}

func (r *Restore) write() error {
	if err := state.Replace(r.places.journal(), r.journal); err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	return nil
}

func (r *Restore) note(name string, ended bool) error {
	i := len(r.journal.Steps) - 1
	for ; i >= 0 && r.journal.Steps[i].Name != name; i-- {
	}
	now := r.Now().UTC()
	switch {
	case ended:
		r.journal.Steps[i].Ended = now
	case i >= 0: // done again: it is the last one now
		r.journal.Steps = append(r.journal.Steps[:i], r.journal.Steps[i+1:]...)
		fallthrough
	default:
		r.journal.Steps = append(r.journal.Steps, Step{Name: name, Begun: now})
	}
	if err := r.write(); err != nil {
		return err
	}
	if r.noted != nil {
		r.noted(name)
	}
	return nil
}

// finish puts the journal to the safety copy, with which it can still be gone
// back.
func (r *Restore) finish() error {
	r.journal.Ended = r.Now().UTC()
	return r.shelve()
}

func (r *Restore) shelve() error {
	if err := state.Replace(filepath.Join(r.journal.Before, filepath.Base(r.places.journal())), r.journal); err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	if err := os.Remove(r.places.journal()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("journal: %w", err)
	}
	return nil
}
