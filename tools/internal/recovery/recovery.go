// Package recovery brings a k3s server back from a set: the whole of it, or one
// asset into a folder.
//
// The one thing to know: everything that is needed is decrypted, checked and
// compared before the first change, what is there is kept and never deleted,
// and each step can be done twice. So a restore that was interrupted anywhere,
// by a reboot too, goes on from its journal or goes back to what was there.
package recovery

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"filippo.io/age"

	"github.com/railiance/railiance/tools/internal/asset"
	"github.com/railiance/railiance/tools/internal/catalog"
	"github.com/railiance/railiance/tools/internal/layer"
	"github.com/railiance/railiance/tools/internal/store"
	"github.com/railiance/railiance/tools/internal/tell"
)

// Restore is one restore of a layer's k3s server.
type Restore struct {
	Layer *layer.Layer
	From  *store.Dir // where the sets are
	Set   catalog.Set
	// Keys finds the private keys. It is called when something is to be
	// decrypted, and not where all of that is done already.
	Keys func() ([]age.Identity, error)
	Tell *tell.Teller
	Now  func() time.Time
	// KeepConfig leaves the configuration of k3s on this machine as it is.
	KeepConfig bool
	Ready      time.Duration // how long k3s may take until it is ready

	places  places
	journal *Journal
	noted   func(step string) // told of every entry in the journal; tests alone
}

// DefaultReady is enough for a small server that unpacks its images first.
const DefaultReady = 10 * time.Minute

// WayBack is how a person takes a restore back.
const WayBack = "apply --back (make restore APPLY=1 BACK=1)"

// The steps, as the journal names them.
const (
	stepStop      = "stop"
	stepSave      = "save"
	stepPlace     = "place"
	stepDatastore = "datastore"
	stepStart     = "start"
	stepReady     = "ready"
	stepCompare   = "compare"
)

type step struct {
	name string
	what string
	do   func(context.Context, *staged) error
}

// Do restores, or goes on with the restore that was interrupted. Nothing is
// changed before agree returned nil. The report is there once the set is in
// place, even where the comparison then found something missing.
func (r *Restore) Do(ctx context.Context, agree func(Plan) error) (report *Report, err error) {
	if err := r.open(); err != nil {
		return nil, err
	}
	if err := r.able(ctx); err != nil {
		return nil, tell.Hint(err, "%s", r.untouched())
	}
	defer func() { err = errors.Join(err, r.places.wipe()) }()
	steps := r.steps(&report)
	var files *staged
	if r.journal.done(stepDatastore) {
		// What is behind the datastore is done again on every run: the machine
		// may have been rebooted since.
		steps = steps[4:]
	} else if files, err = r.stage(ctx); err != nil {
		return nil, tell.Hint(err, "%s", r.untouched())
	}
	plan, err := r.plan(ctx, files, steps)
	if err != nil {
		return nil, tell.Hint(err, "%s", r.untouched())
	}
	if err := agree(plan); err != nil {
		return nil, err
	}
	if err := r.begin(ctx); err != nil {
		return nil, err
	}
	for _, s := range steps {
		r.Tell.Say("", "%s", s.what)
		if err := r.perform(ctx, s, files); err != nil {
			return report, tell.Hint(fmt.Errorf("%s: %w", s.name, err), "%s", r.ways())
		}
	}
	return report, r.finish()
}

func (r *Restore) perform(ctx context.Context, s step, files *staged) error {
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	if err := r.note(s.name, false); err != nil {
		return err
	}
	if err := s.do(ctx, files); err != nil {
		return err
	}
	return r.note(s.name, true)
}

func (r *Restore) steps(report **Report) []step {
	k := r.Layer.K3s
	datastore := "put the database back to " + k.StateDB()
	if r.kind() == asset.KindEtcd {
		datastore = "k3s server --cluster-reset --cluster-reset-restore-path=… in " + k.DataDir
	}
	return []step{
		{stepStop, "systemctl stop " + k.Service, func(ctx context.Context, _ *staged) error { return r.stop(ctx) }},
		{stepSave, "keep what is there in " + r.journal.Before, func(ctx context.Context, _ *staged) error { return r.save(ctx) }},
		{stepPlace, "put server token and configuration in place", r.place},
		{stepDatastore, datastore, r.datastore},
		{stepStart, "systemctl start " + k.Service, func(ctx context.Context, _ *staged) error { return r.start(ctx) }},
		{stepReady, "wait until the API server is ready", func(ctx context.Context, _ *staged) error { return r.ready(ctx) }},
		{stepCompare, "compare what it serves with what was saved", func(ctx context.Context, _ *staged) (err error) {
			*report, err = r.compare(ctx)
			return err
		}},
	}
}

// open finds where things are and whether a restore is under way.
func (r *Restore) open() error {
	p, err := findPlaces(r.Layer)
	if err != nil {
		return err
	}
	r.places = p
	found, err := ReadJournal(r.Layer.K3s)
	if err != nil {
		return err
	}
	if found != nil {
		if found.GoingBack {
			return tell.Hint(errors.New("a restore is being taken back"), "%s goes on with that", WayBack)
		}
		if found.Manifest != r.Set.Name() || found.SHA256 != r.Set.SHA256 {
			return tell.Hint(fmt.Errorf("a restore of %s is under way, not of %s", found.Manifest, r.Set.Name()),
				"apply without a time goes on with it, %s takes it back", WayBack)
		}
		r.journal, r.KeepConfig = found, found.KeepConfig
		return nil
	}
	r.journal = &Journal{
		Format: 1, Manifest: r.Set.Name(), SHA256: r.Set.SHA256, From: r.From.Path(), Begun: r.Now().UTC(),
		Before: r.places.freeBefore(r.Now()), KeepConfig: r.KeepConfig,
	}
	return nil
}

func (r *Restore) untouched() string {
	if r.journal.Steps != nil {
		return r.ways()
	}
	return "nothing was changed"
}

// ways tells a person who is in the middle of it how to get out of it.
func (r *Restore) ways() string {
	return fmt.Sprintf("apply goes on from here (make restore APPLY=1); %s puts back what was there before, which is kept in %s", WayBack, r.journal.Before)
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
