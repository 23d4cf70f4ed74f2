// Package asset knows the kinds of things that a layer must not lose: how each
// is caught at one instant, how a dump of it is checked, and what a plan says
// of it. A kind is code, one file each; an asset is data, one entry of
// layer.yaml.
//
// The one thing to know: a dump is checked while it is written, so that Write
// either wrote something that a restore can use, or returns an error.
package asset

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/railiance/railiance/tools/internal/catalog"
)

// Kind is one kind of asset, set up for one layer.
type Kind interface {
	// Take catches the asset at one instant. The dump must be closed.
	Take(ctx context.Context, at time.Time) (*Dump, error)
	// Plan says what Take would do, and returns why it could not.
	Plan(ctx context.Context) (string, error)
	// Sweep removes the plaintext that killed runs left outside the store, and
	// names it. It is called under the lock.
	Sweep(ctx context.Context) ([]string, error)
}

// Dump is an asset caught at one instant.
type Dump struct {
	Asset string // its name in the set
	Kind  string // what Check needs to know of it
	Ext   string // "snap", "tar.gz"
	// Write writes the dump, all of it, checks it on the way and reports what
	// it holds. A *PartialError means that what was written is whole and
	// readable, but lacks something that could not be had.
	Write func(w io.Writer) (Report, error)
	// Close removes what Take left on the machine.
	Close func() error
}

// Report is what is known of a dump after it was written.
type Report struct {
	Source   map[string]string
	Checks   []catalog.Check
	Contents catalog.Contents
	Findings []catalog.Finding // what a restore may stumble over
}

// PartialError lists what a dump lacks. The dump is kept, and its asset counts
// as failed.
type PartialError struct{ Problems []error }

func (e *PartialError) Error() string { return errors.Join(e.Problems...).Error() }

func (e *PartialError) Unwrap() []error { return e.Problems }

// ErrAgain says that the dump failed for a reason that a second try, from its
// beginning, may not meet.
var ErrAgain = errors.New("it may succeed when tried again")

// ErrElsewhere says that somebody else backs the asset up, as layer.yaml says:
// a set without it lacks nothing.
var ErrElsewhere = errors.New("backed up where it lives, as layer.yaml says")

// Check reads the dump in f, of that kind, from its beginning, checks it by
// the rules of the kind and counts what it holds.
func Check(ctx context.Context, kind string, f *os.File) (catalog.Contents, error) {
	checks := map[string]func(context.Context, *os.File) (catalog.Contents, error){
		KindEtcd:       checkEtcd,
		KindStateDB:    checkStateDB,
		KindServer:     checkServer,
		KindHelmValues: checkHelm,
		KindKubeconfig: checkKubeconfig,
	}
	check, ok := checks[kind]
	if !ok {
		return nil, fmt.Errorf("kind %q is not known here: a newer version made it", kind)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	return check(ctx, f)
}

// nothing is the Sweep of a kind that leaves no plaintext anywhere.
type nothing struct{}

func (nothing) Sweep(context.Context) ([]string, error) { return nil, nil }

// CheckName refuses what cannot be an asset's or a layer's name.
func CheckName(name string) error { return catalog.CheckAsset(name) }

func ok(name string) catalog.Check { return catalog.Check{Name: name, Verdict: "ok"} }

func done() error { return nil }
