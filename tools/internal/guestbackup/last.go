package guestbackup

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/railiance/railiance/tools/internal/catalog"
	"github.com/railiance/railiance/tools/internal/guestset"
	"github.com/railiance/railiance/tools/internal/setrun"
	"github.com/railiance/railiance/tools/internal/state"
)

// Attempt is how the last attempt to back a guest or a node up ended.
type Attempt struct {
	Format int       `json:"format"`
	Begun  time.Time `json:"begun,omitzero"`
	Time   time.Time `json:"time"` // it was written down
	OK     bool      `json:"ok"`
	Why    string    `json:"why,omitempty"` // not OK
}

// LastAttempt reads how the last attempt of s ended. None gives fs.ErrNotExist.
func LastAttempt(m guestset.Memory, s guestset.Subject) (Attempt, error) {
	var a Attempt
	b, err := os.ReadFile(m.Last(s))
	if err != nil {
		return a, err
	}
	if err := json.Unmarshal(b, &a); err != nil || a.Format != 1 {
		return a, errors.Join(fmt.Errorf("%s cannot be read", m.Last(s)), err)
	}
	return a, nil
}

// Attempt does the deed and writes down how it ended: as failed before it
// begins, so that it stays so, should we be killed.
func (r *Run) Attempt(s guestset.Subject, deed func() error) error {
	begun := r.Now().UTC()
	if err := r.note(s, begun, errors.New("it was killed")); err != nil {
		return err
	}
	err := deed()
	return errors.Join(err, r.note(s, begun, err))
}

// note writes down how an attempt ended.
func (r *Run) note(s guestset.Subject, begun time.Time, err error) error {
	path := r.memory().Last(s)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return r.noState(err)
	}
	if _, err := state.SweepSeen(path); err != nil {
		return err
	}
	a := Attempt{Format: 1, Begun: begun, Time: r.Now().UTC(), OK: err == nil}
	if err != nil {
		a.Why = setrun.Short(err.Error())
	}
	return r.noState(state.Replace(path, a))
}

// redeem takes the word of a failed attempt back where every site has a set that
// it made, or one that is newer: a run that was killed after its last manifest
// would else count as failed until the next night.
func (r *Run) redeem(s guestset.Subject, m *Making) error {
	last, err := LastAttempt(r.memory(), s)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case last.OK:
		return nil
	}
	begun := last.Begun
	if begun.IsZero() {
		begun = last.Time
	}
	for _, one := range m.Copies.All {
		newest, ok := catalog.NewestComplete(one.Folder.Sets)
		if !ok || newest.Time.Before(begun.Truncate(time.Second)) { // that of a set has no parts of a second
			return nil
		}
	}
	return r.note(s, begun, nil)
}

// mayPrune says why the sets of s must all stay for now: an attempt that failed
// may mean that the older ones are all that there will ever be.
func mayPrune(m guestset.Memory, s guestset.Subject) error {
	last, err := LastAttempt(m, s)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil // this machine has never tried: others may have
	case err != nil:
		return err
	case !last.OK:
		return fmt.Errorf("the last backup, at %s, failed (%s): nothing is pruned until one succeeds", last.Time.Format(time.RFC3339), last.Why)
	}
	return nil
}
