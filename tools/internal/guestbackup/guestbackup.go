// Package guestbackup backs the guests of a Proxmox cluster up: each is read
// once and written to all of its sites, as a set of its own in each.
//
// The one thing to know: vzdump says that all is well in many cases where it is
// not. So what it writes is read as an archive while it passes, and compared
// with what the guest has; only a stream that ended well and held every disk
// whole becomes a set. Nothing here can decrypt.
package guestbackup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"time"

	"github.com/railiance/railiance/tools/internal/access"
	"github.com/railiance/railiance/tools/internal/catalog"
	"github.com/railiance/railiance/tools/internal/guestset"
	"github.com/railiance/railiance/tools/internal/layer"
	"github.com/railiance/railiance/tools/internal/pve"
	"github.com/railiance/railiance/tools/internal/setrun"
	"github.com/railiance/railiance/tools/internal/store"
	"github.com/railiance/railiance/tools/internal/tell"
)

// Cluster is where the guests are. *pve.Cluster is one.
type Cluster interface {
	// Locate tells of the guest of that number as it is now, or pve.ErrNoGuest.
	Locate(ctx context.Context, id int) (pve.Guest, error)
	// Dump writes the guest and returns the log of it, also with an error.
	Dump(ctx context.Context, g pve.Guest, o pve.DumpOptions, w io.Writer) (log string, err error)
}

// Site is a place for sets, by its name in the policy.
type Site struct {
	Name  string
	Place store.Site
	Err   error // why there is no Place
}

// Run is one run over guests of a layer.
type Run struct {
	Layer   *layer.Layer // with Guests
	Cluster Cluster
	Sites   []Site // those to write to, of the ones that the policy names
	Tool    string // name and version, for the manifests
	Now     func() time.Time
	Tell    *tell.Teller

	// Versions is the version of Proxmox VE by node, as far as it is known.
	Versions map[string]string
	// Asked says that a person named the guests: windows and skip are for
	// schedules.
	Asked bool
	// IfOlderThan skips a guest whose newest set is younger than that in every
	// one of its sites; 0 skips none.
	IfOlderThan time.Duration
	// Acknowledge says that the operator knows of the lost sets: Prune notes that
	// in each folder, and they are told of no more.
	Acknowledge bool
	// Findings are of the run itself, as of the network that it crosses: they
	// stand in each of its sets.
	Findings []catalog.Finding

	keys  setrun.Keys
	begun time.Time // when Hold began with its deeds
}

// ErrFailed says that something failed and was told already.
var ErrFailed = errors.New("not every guest is backed up")

// SetUp loads what a run needs and checks that it could seal. Its error is one
// of how things were set up: nothing was tried. Do and Prune need it first.
func (r *Run) SetUp() error {
	if r.Layer.SOPS == "" {
		return tell.Hint(fmt.Errorf("no .sops.yaml from %s upward", r.Layer.Dir), "make init makes a key and that file")
	}
	for _, site := range r.Sites {
		if !slices.Contains(r.Layer.Guests.Sites, site.Name) {
			return fmt.Errorf("site %s is not in layer.yaml", site.Name)
		}
	}
	keys, err := setrun.LoadKeys(r.Layer.SignKey, r.Layer.Signers, r.Now(), r.Tell)
	if err != nil {
		return err
	}
	r.keys = keys
	vm := guestset.Guest(guestset.VM, 100)
	to, err := r.recipientsOf(vm, catalog.ArtifactName(vm.String(), r.Now(), guestset.ExtVMA))
	if err != nil {
		return err
	}
	for _, w := range to.Warnings {
		r.Tell.Warn("", "%s", w)
	}
	return nil
}

// recipientsOf are those of the artifact of that name of s.
func (r *Run) recipientsOf(s guestset.Subject, name string) (access.Recipients, error) {
	return access.ForPath(r.Layer.SOPS, filepath.Join(r.Layer.Backups, s.String(), name))
}

func (r *Run) memory() guestset.Memory { return guestset.MemoryOf(r.Layer.State, r.Layer.Name) }
