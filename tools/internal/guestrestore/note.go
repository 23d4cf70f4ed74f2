package guestrestore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/railiance/railiance/tools/internal/guestset"
	"github.com/railiance/railiance/tools/internal/pve"
	"github.com/railiance/railiance/tools/internal/tell"
)

// note tells the next run which guest this one is making, should it be killed.
// It is locked as long as this one lives.
type note struct {
	file *os.File
}

type noted struct {
	Format int      `json:"format"`
	Made   pve.Made `json:"made"`
	Drill  bool     `json:"drill"`
	Set    string   `json:"set"` // folder/manifest
}

const notes = "restoring-*.json"

// take writes the note before the guest is made.
func take(m guestset.Memory, n noted) (*note, error) {
	n.Format = 1
	if err := os.MkdirAll(string(m), 0o700); err != nil {
		return nil, tell.Hint(err, "RAILIANCE_STATE names another folder")
	}
	path := filepath.Join(string(m), fmt.Sprintf("restoring-%d.json", n.Made.ID))
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("guest %d: another run is restoring it", n.Made.ID), f.Close())
	}
	b, err := json.Marshal(n)
	if err == nil {
		err = f.Truncate(0)
	}
	if err == nil {
		_, err = f.WriteAt(append(b, '\n'), 0)
	}
	if err := errors.Join(err, f.Sync()); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &note{f}, nil
}

// drop removes the note: the guest stands, or is gone.
func (n *note) drop() error { return errors.Join(os.Remove(n.file.Name()), n.file.Close()) }

// keep leaves the note for the next run.
func (n *note) keep() error { return n.file.Close() }

// Sweep removes what restores and drills that were killed have left in the
// cluster, as far as it is certain that it is theirs, and tells of it. What it
// cannot remove it names, each time.
func Sweep(ctx context.Context, c *pve.Cluster, m guestset.Memory, t *tell.Teller) error {
	paths, err := filepath.Glob(filepath.Join(string(m), notes))
	if err != nil {
		return err
	}
	var errs []error
	for _, path := range paths {
		if err := sweepNote(ctx, c, path, t); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", filepath.Base(path), err))
		}
	}
	return errors.Join(errs...)
}

func sweepNote(ctx context.Context, c *pve.Cluster, path string, t *tell.Teller) error {
	f, err := os.OpenFile(path, os.O_RDWR|unix.O_NOFOLLOW, 0)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	n := &note{f}
	if unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) != nil {
		return n.keep() // its run lives
	}
	var left noted
	if err := json.NewDecoder(io.LimitReader(f, 1<<16)).Decode(&left); err != nil {
		// Killed before it was written, and so before anything was made.
		return n.drop()
	}
	name := fmt.Sprintf("guest %d on %s", left.Made.ID, left.Made.Node)
	switch _, err := c.Guest(ctx, left.Made); {
	case errors.Is(err, pve.ErrNoGuest):
		return n.drop()
	case err != nil:
		return errors.Join(err, n.keep())
	}
	err = c.Destroy(ctx, left.Made)
	switch {
	case err == nil:
		t.Say("", "removed %s, which a run that was killed had left, made from %s", name, left.Set)
		return n.drop()
	case left.Drill:
		return errors.Join(err, n.keep())
	}
	t.Warn("", "a restore of %s was killed; %s was not checked to its end, or was made by somebody else since", left.Set, name)
	return n.drop()
}
