package pvecli

import (
	"context"

	"github.com/railiance/railiance/tools/internal/catalog"
	"github.com/railiance/railiance/tools/internal/guestread"
	"github.com/railiance/railiance/tools/internal/guestset"
	"github.com/railiance/railiance/tools/internal/store"
)

// verifyArtifact compares an artifact with its manifest and, where there are
// keys, takes apart what is in it: the bytes come from the site once.
func (v *verification) verifyArtifact(ctx context.Context, s store.Store, set catalog.Set, a catalog.Artifact) error {
	if len(v.keys) == 0 {
		return catalog.VerifyArtifact(ctx, s, a)
	}
	if a.Asset == guestset.AboutAsset {
		_, err := guestread.About(ctx, s, set.Manifest, v.keys)
		return err
	}
	about, err := guestread.About(ctx, s, set.Manifest, v.keys)
	if err != nil {
		return err
	}
	archive, err := guestread.Archive(ctx, s, a, v.keys)
	if err != nil {
		return err
	}
	defer archive.Close()
	return guestread.Check(a.Kind, archive, about)
}
