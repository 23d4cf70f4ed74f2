package recovery

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"filippo.io/age"

	"github.com/railiance/railiance/tools/internal/asset"
	"github.com/railiance/railiance/tools/internal/catalog"
	"github.com/railiance/railiance/tools/internal/opening"
	"github.com/railiance/railiance/tools/internal/store"
	"github.com/railiance/railiance/tools/internal/tell"
)

// Single writes one decrypted and checked asset into dir, as a file (0600) or,
// unpacked, as a folder of that name, and returns its path. It overwrites
// nothing and leaves nothing when it fails.
func Single(ctx context.Context, from store.Store, a catalog.Artifact, keys []age.Identity, dir string, unpack bool) (path string, err error) {
	path = filepath.Join(dir, strings.TrimSuffix(a.Name, ".age"))
	if unpack {
		if !asset.Packed(a.Kind) {
			return "", fmt.Errorf("%s: it is no archive: there is nothing to unpack", a.Name)
		}
		path = strings.TrimSuffix(path, ".tar.gz")
	}
	if exists(path) {
		return "", tell.Hint(fmt.Errorf("%s: %w", path, fs.ErrExist), "nothing is overwritten: move it away, or name another folder")
	}
	if err := folder(dir, 0o700); err != nil {
		return "", err
	}
	if unpack {
		return path, unpackTo(ctx, from, a, keys, path)
	}
	draft, err := os.CreateTemp(dir, ".draft-*") // 0600 from the first byte
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, draft.Close(), os.Remove(draft.Name())) }()
	if err := opening.Artifact(ctx, from, a, keys, draft); err != nil {
		return "", full(err)
	}
	if err := draft.Sync(); err != nil {
		return "", full(err)
	}
	// Unlike rename(2), link(2) refuses a name that was taken meanwhile.
	return path, os.Link(draft.Name(), path)
}

func unpackTo(ctx context.Context, from store.Store, a catalog.Artifact, keys []age.Identity, path string) (err error) {
	f, err := opening.InMemory(a.Asset)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := opening.Artifact(ctx, from, a, keys, f); err != nil {
		return err
	}
	draft, err := os.MkdirTemp(filepath.Dir(path), ".draft-*") // 0700
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(draft)) }()
	err = asset.Unpack(f, func(member string, content io.Reader) error {
		to := filepath.Join(draft, filepath.FromSlash(member))
		if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
			return err
		}
		out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return err
		}
		_, err = io.Copy(out, content)
		return errors.Join(err, out.Close())
	})
	if err != nil {
		return full(err)
	}
	return os.Rename(draft, path)
}

// Values gives the values of one Helm release, "namespace/name". Nothing is
// written to a disk.
func Values(ctx context.Context, from store.Store, a catalog.Artifact, keys []age.Identity, release string) (values []byte, err error) {
	f, err := opening.InMemory(a.Asset)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := opening.Artifact(ctx, from, a, keys, f); err != nil {
		return nil, err
	}
	return asset.HelmReleaseValues(f, release)
}
