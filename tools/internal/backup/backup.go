// Package backup makes one set: every asset of a layer caught, checked, sealed
// and stored, then the manifest, its signature, the stamp, and only then the
// pruning of older sets.
//
// The one thing to know is that order. A run that dies anywhere leaves the
// older sets as they were, and of its own at most debris, which the next run
// finds by the note that was written before the first byte.
package backup

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/railiance/railiance/tools/internal/catalog"
	"github.com/railiance/railiance/tools/internal/guide"
	"github.com/railiance/railiance/tools/internal/layer"
	"github.com/railiance/railiance/tools/internal/setrun"
	"github.com/railiance/railiance/tools/internal/state"
	"github.com/railiance/railiance/tools/internal/store"
	"github.com/railiance/railiance/tools/internal/tell"
)

// Run is one run over a layer.
type Run struct {
	Layer *layer.Layer
	Tool  string // name and version, for the manifest
	Now   func() time.Time
	Tell  *tell.Teller
	// Acknowledge says that the operator knows of the lost sets that were told of.
	Acknowledge bool

	dir    *store.Dir
	keys   setrun.Keys
	folder *setrun.Folder
}

// Result is what a run made.
type Result struct {
	Set *catalog.Manifest // nil: there is no set
}

// noteName is the file that says which set a run is making.
const noteName = ".run"

// ErrFailed says that something failed and was told already.
var ErrFailed = errors.New("the backup is not complete")

// Config is an error in what the run was set up with: nothing was tried.
type Config struct{ Err error }

func (c *Config) Error() string { return c.Err.Error() }

func (c *Config) Unwrap() error { return c.Err }

// Do makes the set. The error is a *Config, state.ErrHeld, or ErrFailed.
func (r *Run) Do(ctx context.Context) (Result, error) {
	begin := r.Now()
	if err := r.setUp(); err != nil {
		return Result{}, &Config{err}
	}
	dir, err := store.MakeDir(r.Layer.Backups)
	if err != nil {
		return Result{}, tell.Hint(err, "BACKUP_ROOT names another folder than %s", layer.DefaultBackupRoot)
	}
	r.dir = dir
	lock, err := state.Acquire(dir.Path())
	if err != nil {
		return Result{}, err
	}
	defer lock.Unlock()

	r.folder = &setrun.Folder{
		Store: dir, Layer: r.Layer.Name, Seen: r.Layer.Seen, Note: filepath.Join(dir.Path(), noteName),
		Keys: r.keys, Tell: r.Tell, Now: r.Now, Acknowledge: r.Acknowledge,
		Read: func(ctx context.Context) ([]catalog.Set, []catalog.Problem, error) {
			return catalog.Read(ctx, dir, r.keys.Trust)
		},
		Drafts: func(context.Context) ([]string, error) { return dir.Sweep() },
	}
	clean := r.sweep(ctx)
	swept, err := r.folder.Open(ctx)
	if err != nil {
		return Result{}, err
	}
	at, err := r.folder.Instant(ctx, r.Now())
	if err != nil {
		return Result{}, err
	}
	if err := r.folder.Begin(at); err != nil {
		return Result{}, tell.Hint(fmt.Errorf("the backup folder cannot be written: %w", err), "nothing was changed; see df and mount for %s", dir.Path())
	}

	m := r.folder.Manifest(at, r.Tool)
	for _, a := range r.Layer.Assets {
		if err := ctx.Err(); err != nil {
			break
		}
		r.one(ctx, a, m)
	}
	if ctx.Err() != nil {
		r.abandon(ctx, m)
		return Result{}, fmt.Errorf("stopped: %w", context.Cause(ctx))
	}
	r.crossCheck(m)
	if len(m.Artifacts) == 0 {
		r.abandon(ctx, m)
		return Result{}, tell.Hint(ErrFailed, "no asset could be backed up; the older sets are as they were")
	}

	for _, d := range catalog.FindDropped(append([]catalog.Set{{Manifest: m}}, r.folder.Sets...)) {
		r.Tell.Warn(d.Asset, "%s", d)
	}
	var verdicts []catalog.Verdict
	if m.Complete() && !r.collapsed(m) {
		verdicts = r.folder.Retain(m, r.Layer.Keep)
	}
	link, err := r.folder.Publish(ctx, m)
	if err != nil {
		r.Tell.Fail("", err)
		r.abandon(ctx, m)
		return Result{}, ErrFailed
	}
	result := Result{Set: m}
	if err := r.settle(ctx, m, link, verdicts, r.Now().Sub(begin)); err != nil {
		r.Tell.Fail("", err)
		return result, ErrFailed
	}
	if !clean || !swept || !m.Complete() {
		return result, ErrFailed
	}
	return result, nil
}

// setUp loads everything that a run needs before it touches anything.
func (r *Run) setUp() error {
	if len(r.Layer.Assets) == 0 {
		return tell.Hint(fmt.Errorf("layer %s names no assets", r.Layer.Name), "guests and nodes are backed up by pve-vm-backup")
	}
	if r.Layer.SOPS == "" {
		return tell.Hint(fmt.Errorf("no %s from %s upward", ".sops.yaml", r.Layer.Dir), "make init makes a key and that file")
	}
	keys, err := setrun.LoadKeys(r.Layer.SignKey, r.Layer.Signers, r.Now(), r.Tell)
	if err != nil {
		return err
	}
	r.keys = keys
	told := map[string]bool{}
	for _, a := range r.Layer.Assets {
		to, err := r.recipients(catalog.ArtifactName(a.Name, r.Now(), "x"))
		if err != nil {
			return err
		}
		for _, w := range to.Warnings {
			if !told[w] {
				told[w] = true
				r.Tell.Warn("", "%s", w)
			}
		}
	}
	return nil
}

// settle does what follows a set: the memory of it, the stamp, the pruning.
func (r *Run) settle(ctx context.Context, m *catalog.Manifest, link catalog.Link, verdicts []catalog.Verdict, took time.Duration) error {
	errs := []error{r.folder.Remember(m, link), guide.WriteRestorePage(r.dir.Path(), r.Layer)}
	if m.Complete() {
		errs = append(errs, state.WriteStamp(r.dir.Path(), state.BackupStamp, state.Stamp{
			Deed: "backup", Time: r.Now().UTC(), Manifest: m.Name(), Seconds: took.Seconds(),
		}))
	}
	_, err := r.folder.Prune(ctx, verdicts)
	return errors.Join(append(errs, err, r.folder.End())...)
}
