// Package guestrestore is the way back of a Proxmox cluster's guests: put back
// into a cluster, taken apart into files on any machine, or rehearsed under
// another number.
//
// The one thing to know: an archive is proven only at its end. So its last
// bytes are held back until then: a cluster that is given an archive which is
// not the signed one, or not what was backed up, sees a torn archive, and what
// was made of it is taken away again.
package guestrestore

import (
	"context"
	"errors"
	"fmt"
	"io"

	"filippo.io/age"

	"github.com/railiance/railiance/tools/internal/catalog"
	"github.com/railiance/railiance/tools/internal/guestread"
	"github.com/railiance/railiance/tools/internal/guestset"
	"github.com/railiance/railiance/tools/internal/store"
	"github.com/railiance/railiance/tools/internal/unseal"
)

// ErrSource says that it failed for the copy that was read: another copy of the
// same set may do.
var ErrSource = errors.New("this copy cannot be relied upon")

// Source is one copy of a set, and the keys that open it.
type Source struct {
	Folder  store.Store
	Subject guestset.Subject
	Set     catalog.Set // of Folder, under a signature that is trusted
	Keys    []age.Identity
}

// Artifact is the guest itself.
func (s Source) Artifact() (catalog.Artifact, error) {
	a, there := s.Set.Artifact(s.Subject.String())
	if !there || !s.Set.Holds(a.Asset) || !s.Set.Holds(guestset.AboutAsset) {
		return a, fmt.Errorf("%s does not hold %s whole", s.Set.Name(), s.Subject)
	}
	return a, nil
}

// opened is a source of which the account was read, and the archive begun.
type opened struct {
	catalog.Artifact
	about   guestset.About
	archive io.ReadCloser
}

func (s Source) open(ctx context.Context) (*opened, error) {
	a, err := s.Artifact()
	if err != nil {
		return nil, err
	}
	about, err := guestread.About(ctx, s.Folder, s.Set.Manifest, s.Keys)
	if err == nil {
		err = s.belongs(about)
	}
	if err != nil {
		return nil, unreliable(ctx, err)
	}
	archive, err := guestread.Archive(ctx, s.Folder, a, s.Keys)
	if err != nil {
		return nil, unreliable(ctx, err)
	}
	return &opened{a, about, archive}, nil
}

// belongs refuses the account of another guest or node, or of another time.
func (s Source) belongs(about guestset.About) error {
	if s.Subject.Kind == guestset.Node && about.Node != s.Subject.Name {
		return fmt.Errorf("%s: its account is of node %q", s.Set.Name(), about.Node)
	}
	if about.Guest != s.Subject.ID || !about.Time.Equal(s.Set.Time) {
		return fmt.Errorf("%s: its account is of guest %d at %s", s.Set.Name(), about.Guest, about.Time.UTC().Format(catalog.TimeLayout))
	}
	return nil
}

// unreliable is err of reading a copy. What another copy would not change stays
// as it is.
func unreliable(ctx context.Context, err error) error {
	if err == nil || ctx.Err() != nil || errors.Is(err, unseal.ErrNoKey) || errors.Is(err, ErrSource) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrSource, err)
}
