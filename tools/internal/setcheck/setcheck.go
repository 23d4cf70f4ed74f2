// Package setcheck is what a verification asks of a set besides the bytes of
// its artifacts: whether they are for the right readers, whether a set went
// meanwhile, and what else lies there.
package setcheck

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"

	"github.com/railiance/railiance/tools/internal/access"
	"github.com/railiance/railiance/tools/internal/catalog"
	"github.com/railiance/railiance/tools/internal/store"
)

// Readers compares whom an artifact was encrypted to with whom the rules in the
// file sops name today for path. For an artifact that is not for them, they
// returns the readers that it has and the ones that it should have.
func Readers(sops, path string, a catalog.Artifact) (have, should []string, err error) {
	if sops == "" {
		return nil, nil, errors.New("no .sops.yaml says who may read it")
	}
	want, err := access.ForPath(sops, path)
	if err != nil {
		return nil, nil, err
	}
	have, should = slices.Sorted(slices.Values(a.Recipients)), slices.Sorted(slices.Values(want.Strings))
	if slices.Equal(have, should) {
		return nil, nil, nil
	}
	return have, should, nil
}

// Gone says whether artifact a of the set went with its signature, which is how
// retention removes a set: whoever read it meanwhile has found no fault.
func Gone(ctx context.Context, s store.Store, set catalog.Set, a catalog.Artifact) bool {
	return !there(ctx, s, a.Name) && !there(ctx, s, set.Name()+catalog.SignatureSuffix)
}

func there(ctx context.Context, s store.Store, name string) bool {
	f, err := s.Open(ctx, name)
	if err != nil {
		return !errors.Is(err, fs.ErrNotExist)
	}
	_ = f.Close()
	return true
}

// Strangers are files that look like artifacts and belong to none of the sets.
func Strangers(ctx context.Context, s store.Store, sets []catalog.Set) ([]string, error) {
	entries, err := s.List(ctx, "")
	if err != nil {
		return nil, fmt.Errorf("list: %w", err)
	}
	known := map[string]bool{}
	for _, set := range sets {
		for _, a := range set.Artifacts {
			known[a.Name] = true
		}
	}
	var strangers []string
	for _, e := range entries {
		if filepath.Ext(e.Name) == ".age" && !known[e.Name] {
			strangers = append(strangers, e.Name)
		}
	}
	return strangers, nil
}
