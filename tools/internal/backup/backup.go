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
	"os"
	"strings"
	"time"

	"github.com/railiance/railiance/tools/internal/catalog"
	"github.com/railiance/railiance/tools/internal/guide"
	"github.com/railiance/railiance/tools/internal/layer"
	"github.com/railiance/railiance/tools/internal/sign"
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

	dir    *store.Dir
	signer *sign.Signer
	trust  *sign.Trust
}

// Result is what a run made.
type Result struct {
	Set *catalog.Manifest // nil: there is no set
}

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

	sets, _, err := catalog.Read(ctx, dir, r.trust)
	if err != nil {
		return Result{}, err
	}
	failed := r.sweep(ctx, sets) != nil
	// What is debris is gone now, and no problem any more.
	sets, problems, err := catalog.Read(ctx, dir, r.trust)
	if err != nil {
		return Result{}, err
	}
	seen, lost := r.compare(sets, problems)
	at := r.instant(ctx, sets)
	if err := r.beginNote(at); err != nil {
		return Result{}, err
	}

	m := r.manifest(at, sets, seen, lost)
	for _, a := range r.Layer.Assets {
		if err := ctx.Err(); err != nil {
			break
		}
		r.one(ctx, a, m)
	}
	if ctx.Err() != nil {
		r.abandon(m)
		return Result{}, fmt.Errorf("stopped: %w", context.Cause(ctx))
	}
	r.crossCheck(m)
	if len(m.Artifacts) == 0 {
		r.abandon(m)
		return Result{}, tell.Hint(ErrFailed, "no asset could be backed up; the older sets are as they were")
	}

	var verdicts []catalog.Verdict
	if m.Complete() && !r.collapsed(m, sets) {
		verdicts = catalog.Retain(append([]catalog.Set{{Manifest: m}}, sets...), r.Layer.Keep, r.Now())
		for _, v := range verdicts {
			if v.Goes() {
				m.Prunes = append(m.Prunes, v.Set.Name())
			}
		}
	}
	link, err := catalog.Write(ctx, dir, m, r.signer)
	if err != nil {
		r.Tell.Fail("", err)
		r.abandon(m)
		return Result{}, ErrFailed
	}
	result := Result{Set: m}
	if err := r.settle(ctx, m, link, verdicts, r.Now().Sub(begin)); err != nil {
		r.Tell.Fail("", err)
		return result, ErrFailed
	}
	if failed || !m.Complete() {
		return result, ErrFailed
	}
	return result, nil
}

// setUp loads everything that a run needs before it touches anything.
func (r *Run) setUp() error {
	if r.Layer.SOPS == "" {
		return tell.Hint(fmt.Errorf("no %s from %s upward", ".sops.yaml", r.Layer.Dir), "make init makes a key and that file")
	}
	signer, err := sign.Load(r.Layer.SignKey)
	if err != nil {
		return err
	}
	r.signer = signer
	trust, err := sign.LoadTrust(r.Layer.Signers)
	switch {
	case errors.Is(err, os.ErrNotExist):
		r.Tell.Fail("", tell.Hint(fmt.Errorf("%s is missing: nobody can verify these backups yet", r.Layer.Signers),
			"make trust pins this host's key; commit the file"))
	case err != nil:
		return err
	case !trust.Trusts(signer.PublicKey(), r.Now()):
		r.Tell.Fail("", tell.Hint(fmt.Errorf("%s does not trust %s, with which this host signs: nobody can verify these backups yet",
			r.Layer.Signers, signer.Fingerprint()), "make trust pins this host's key; commit the file"))
	}
	r.trust = signer.And(trust)
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

func (r *Run) manifest(at time.Time, sets []catalog.Set, seen state.Seen, lost []string) *catalog.Manifest {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	m := &catalog.Manifest{
		Format: catalog.Format, Layer: r.Layer.Name, Host: host, Sequence: seen.Sequence + 1, Time: at, Tool: r.Tool, Lost: lost,
	}
	if len(sets) > 0 {
		link := sets[0].Link()
		m.Previous = &link
		m.Sequence = max(m.Sequence, sets[0].Sequence+1)
	}
	for _, s := range sets {
		m.Present = append(m.Present, s.Link())
	}
	return m
}

// settle does what follows a set: the memory of it, the stamp, the pruning.
func (r *Run) settle(ctx context.Context, m *catalog.Manifest, link catalog.Link, verdicts []catalog.Verdict, took time.Duration) error {
	errs := []error{
		state.WriteSeen(r.Layer.Seen, state.Seen{Sequence: m.Sequence, Manifest: link.Manifest, SHA256: link.SHA256, Time: r.Now().UTC()}),
		guide.WriteRestorePage(r.dir.Path(), r.Layer),
	}
	if m.Complete() {
		errs = append(errs, state.WriteStamp(r.dir.Path(), state.BackupStamp, state.Stamp{
			Deed: "backup", Time: r.Now().UTC(), Manifest: m.Name(), Seconds: took.Seconds(),
		}))
	}
	for _, v := range verdicts {
		if !v.Goes() {
			r.Tell.Say("", "kept %s: %s", v.Set.Name(), strings.Join(v.Reasons, ", "))
			continue
		}
		if err := catalog.Remove(ctx, r.dir, v.Set); err != nil {
			errs = append(errs, fmt.Errorf("prune %s: %w", v.Set.Name(), err))
			continue
		}
		r.Tell.Say("", "pruned %s: no rule keeps it", v.Set.Name())
	}
	return errors.Join(append(errs, r.endNote())...)
}
