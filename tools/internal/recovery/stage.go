package recovery

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"filippo.io/age"

	"github.com/railiance/railiance/tools/internal/asset"
	"github.com/railiance/railiance/tools/internal/catalog"
	"github.com/railiance/railiance/tools/internal/opening"
	"github.com/railiance/railiance/tools/internal/tell"
)

// staged is a set that was decrypted, checked and compared: plaintext in a
// private folder on the disk where the same plaintext will be.
type staged struct {
	datastore string   // the snapshot or the database
	files     string   // folder with the members of the k3s-server dump
	members   []string // sorted
	// kubeconfig is one to be put to kubeconfigTo, which has none; or empty.
	kubeconfig, kubeconfigTo string
	bootstrap                bool // the datastore holds k3s's certificates and keys
}

func (s *staged) path(member string) string {
	return filepath.Join(s.files, filepath.FromSlash(member))
}

func (s *staged) has(member string) bool {
	_, found := slices.BinarySearch(s.members, member)
	return found
}

// walReserve is what etcd allocates for its log in advance, twice.
const walReserve = 128 << 20

// stage decrypts what the restore needs. What a killed run left of it is never
// used.
func (r *Restore) stage(ctx context.Context) (_ *staged, err error) {
	if err := r.places.wipe(); err != nil {
		return nil, err
	}
	datastore, err := oneOf(r.Set, asset.KindEtcd, asset.KindStateDB)
	if err != nil {
		return nil, err
	}
	server, err := oneOf(r.Set, asset.KindServer)
	if err != nil {
		return nil, err
	}
	for _, dir := range []string{r.places.server, r.places.work()} {
		if err := folder(dir, 0o700); err != nil {
			return nil, fmt.Errorf("data directory: %w", err)
		}
	}
	if err := r.room(datastore, server); err != nil {
		return nil, err
	}
	keys, err := r.Keys()
	if err != nil {
		return nil, err
	}
	s := &staged{
		datastore: filepath.Join(r.places.work(), datastore.Kind),
		files:     filepath.Join(r.places.work(), "files"),
		bootstrap: datastore.Contents["bootstrap"] > 0,
	}
	if err := r.unpack(ctx, s, server, keys); err != nil {
		return nil, full(err)
	}
	if err := r.decrypt(ctx, datastore, keys, s.datastore); err != nil {
		return nil, full(err)
	}
	if a, to := r.missingKubeconfig(); to != "" {
		s.kubeconfig, s.kubeconfigTo = filepath.Join(r.places.work(), "kubeconfig"), to
		if err := r.decrypt(ctx, a, keys, s.kubeconfig); err != nil {
			return nil, full(err)
		}
	}
	return s, nil
}

func full(err error) error {
	if errors.Is(err, syscall.ENOSPC) {
		return tell.Hint(err, "free space there, and run it again")
	}
	return err
}

// room refuses to fill the disk: the plaintext, what is made of it, and the
// copies of small files. The datastore that is there is renamed.
func (r *Restore) room(datastore, server catalog.Artifact) error {
	need := 2*datastore.Size + 20*server.Size
	if datastore.Kind == asset.KindEtcd {
		need += walReserve
	}
	free, err := r.places.free()
	if err != nil {
		return err
	}
	if free < need {
		return tell.Hint(fmt.Errorf("the restore needs %s on the disk of %s, where %s are free", tell.Bytes(need), r.places.root, tell.Bytes(free)),
			"older snapshots in %s, and %s* of earlier restores, may take much of it", r.places.k3s.Snapshots(), filepath.Join(r.places.root, beforePrefix))
	}
	return nil
}

func (r *Restore) decrypt(ctx context.Context, a catalog.Artifact, keys []age.Identity, path string) (err error) {
	r.Tell.Say(a.Asset, "decrypt and check %s, %s", a.Name, tell.Bytes(a.Size))
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := opening.Artifact(ctx, r.From, a, keys, f); err != nil {
		return err
	}
	return f.Sync()
}

// unpack writes the members of the k3s-server dump into a folder. The dump
// itself stays in memory.
func (r *Restore) unpack(ctx context.Context, s *staged, a catalog.Artifact, keys []age.Identity) (err error) {
	r.Tell.Say(a.Asset, "decrypt and check %s, %s", a.Name, tell.Bytes(a.Size))
	f, err := opening.InMemory(a.Asset)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := opening.Artifact(ctx, r.From, a, keys, f); err != nil {
		return err
	}
	s.members, err = unpackServer(f, s.files)
	return err
}

// unpackServer writes the members of a k3s-server dump below dir, and returns
// their names, sorted. ReadServer has refused names that lead out of it.
func unpackServer(f *os.File, dir string) ([]string, error) {
	var members []string
	_, err := asset.ReadServer(f, func(member string, content []byte) error {
		path := filepath.Join(dir, filepath.FromSlash(member))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return err
		}
		members = append(members, member)
		return os.WriteFile(path, content, 0o600)
	})
	slices.Sort(members)
	return members, err
}

// missingKubeconfig is the set's kubeconfig, where its place on this machine is
// empty and k3s does not write it itself.
func (r *Restore) missingKubeconfig() (catalog.Artifact, string) {
	a, err := oneOf(r.Set, asset.KindKubeconfig)
	if err != nil {
		return a, ""
	}
	for _, la := range r.Layer.Assets {
		k, ok := la.Kind.(asset.Kubeconfig)
		if !ok {
			continue
		}
		for _, path := range k.Paths {
			// The home folder may be another one here.
			if filepath.Base(path) == filepath.Base(a.Source["path"]) && path != r.Layer.K3s.Kubeconfig && !exists(path) {
				return a, path
			}
		}
	}
	return a, ""
}
