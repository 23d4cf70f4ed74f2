// Package drill rehearses a restore where it does no harm: every artifact of a
// set is opened and counted, then k3s itself is started on the datastore, shut
// off from the machine, and asked for what was saved.
//
// The one thing to know: what is inside (inside.go and what it calls) runs in
// a process of its own, in a sandbox that ends with it. That process is this
// same executable, started again with a hidden verb.
package drill

import (
	"context"
	"errors"
	"os"
	"time"

	"filippo.io/age"

	"github.com/railiance/railiance/tools/internal/asset"
	"github.com/railiance/railiance/tools/internal/catalog"
	"github.com/railiance/railiance/tools/internal/store"
	"github.com/railiance/railiance/tools/internal/tell"
)

// What a drill can prove.
const (
	ProofContents = "contents" // every artifact opens and holds what was saved
	ProofBooted   = "booted"   // and k3s ran on it and served it
)

// Drill is the rehearsal of one set.
type Drill struct {
	Set   catalog.Set
	Store store.Store
	Keys  []age.Identity
	Tell  *tell.Teller

	ContentsOnly bool
	Scratch      string        // folder on disk to work in; empty: memory
	Ready        time.Duration // within which k3s must be ready
	Self         []string      // how to start this executable so that it calls Inside
	// Show is given every check as soon as it is decided.
	Show func(Check) error
}

// Result is what a drill came to.
type Result struct {
	Proof     string           // ProofContents or ProofBooted
	NotBooted string           // why k3s was not started, where it was not
	Seconds   float64          // until the restored set could be used
	Counts    map[string]int64 // of what was found
	Failed    int              // checks; with any, nothing is proven
}

// Do rehearses. The error is for what kept the drill from being held; what it
// found wrong is counted in Result.Failed and was given to Show.
func (d *Drill) Do(ctx context.Context) (Result, error) {
	begin := time.Now()
	why, err := d.notBooted(ctx)
	if err != nil {
		return Result{}, err
	}
	room, err := d.room(why == "")
	if err != nil {
		return Result{}, err
	}
	defer room.Close()

	t := &tally{show: d.Show, counts: map[string]int64{}}
	opened, err := d.open(ctx, room, t)
	defer opened.Close()
	if err != nil {
		return Result{}, err
	}
	result := Result{Proof: ProofContents, NotBooted: why, Seconds: time.Since(begin).Seconds(), Counts: d.contents()}
	switch {
	case why != "":
	case t.failed > 0:
		result.NotBooted = "the set is not whole"
	default:
		ready, err := d.boot(ctx, room, opened, t)
		if err != nil {
			return Result{}, err
		}
		result.Proof, result.Counts = ProofBooted, t.counts
		result.Seconds += ready.Seconds()
	}
	result.Failed = t.failed
	return result, nil
}

// contents are the counts of all artifacts, which were found equal.
func (d *Drill) contents() map[string]int64 {
	counts := map[string]int64{}
	for _, a := range d.Set.Artifacts {
		for name, n := range a.Contents {
			counts[a.Asset+"/"+name] = n
		}
	}
	return counts
}

// Check is one thing that was tried.
type Check struct {
	Format  int    `json:"format"`
	Check   string `json:"check"` // chain, open, restore, ready, count, read, helm, kubeconfig
	What    string `json:"what"`  // the artifact, resource or release
	Verdict string `json:"verdict"`
	Saved   *int64 `json:"saved,omitempty"`
	Found   *int64 `json:"found,omitempty"`
	Err     error  `json:"-"` // nil: it is as it should be
}

// OK is the verdict on what is as it should be; a remark may follow it.
const OK = "ok"

func good(check, what string) Check { return Check{Format: 1, Check: check, What: what, Verdict: OK} }

func bad(check, what string, err error) Check {
	return Check{Format: 1, Check: check, What: what, Verdict: tell.Line(err.Error()), Err: err}
}

// tally shows checks and counts them.
type tally struct {
	show   func(Check) error
	counts map[string]int64
	failed int
}

func (t *tally) add(c Check) error {
	if c.Err != nil {
		t.failed++
	}
	if c.Found != nil {
		t.counts[c.What] = *c.Found
	}
	return t.show(c)
}

// files are the opened artifacts, by asset.
type files map[string]*os.File

// Close gives their memory back.
func (f files) Close() error {
	var errs []error
	for _, file := range f {
		errs = append(errs, file.Close())
	}
	return errors.Join(errs...)
}

// datastore is the artifact that k3s can be started on.
func (d *Drill) datastore() (catalog.Artifact, bool) {
	for _, a := range d.Set.Artifacts {
		if a.Kind == asset.KindEtcd || a.Kind == asset.KindStateDB {
			return a, true
		}
	}
	return catalog.Artifact{}, false
}
