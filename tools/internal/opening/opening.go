// Package opening turns artifacts back into dumps that can be relied upon: the
// ciphertext is the one that the signed manifest names, it decrypts to its end,
// and what is in it counts up to what was saved.
package opening

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"

	"filippo.io/age"
	"golang.org/x/sys/unix"

	"github.com/railiance/railiance/tools/internal/asset"
	"github.com/railiance/railiance/tools/internal/catalog"
	"github.com/railiance/railiance/tools/internal/store"
	"github.com/railiance/railiance/tools/internal/tell"
	"github.com/railiance/railiance/tools/internal/unseal"
)

// Artifact decrypts a into the empty file into, checks it by the rules of its
// kind, and compares what it holds with its manifest. Nothing in into is to be
// used unless the error is nil.
func Artifact(ctx context.Context, s store.Store, a catalog.Artifact, keys []age.Identity, into *os.File) error {
	if err := decrypt(ctx, s, a, keys, into); err != nil {
		return err
	}
	found, err := asset.Check(ctx, a.Kind, into)
	if err != nil {
		return fmt.Errorf("%s: %w", a.Name, err)
	}
	if _, err := into.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("%s: %w", a.Name, err)
	}
	return Compare(a, found)
}

func decrypt(ctx context.Context, s store.Store, a catalog.Artifact, keys []age.Identity, into io.Writer) error {
	r, err := s.Open(ctx, a.Name)
	if err != nil {
		return err
	}
	defer r.Close()
	hash := sha256.New()
	// More than the manifest says is not even read.
	sealed := io.TeeReader(io.LimitReader(r, a.Size+1), hash)
	_, err = unseal.Copy(into, sealed, keys...)
	if errors.Is(err, unseal.ErrNoKey) {
		return tell.Hint(fmt.Errorf("%s: %w", a.Name, err), "it was encrypted to %v: put one of their private keys into ~/.config/sops/age/keys.txt, or name it by SOPS_AGE_KEY_FILE", a.Recipients)
	}
	if _, rest := io.Copy(io.Discard, sealed); rest != nil {
		err = errors.Join(err, rest)
	}
	if hex.EncodeToString(hash.Sum(nil)) != a.SHA256 {
		return tell.Hint(errors.Join(fmt.Errorf("%s: altered: its bytes are not the ones that were signed", a.Name), err), "make verify says which sets are whole; AT= names another")
	}
	if err != nil {
		return fmt.Errorf("%s: %w", a.Name, err)
	}
	return ctx.Err()
}

// Compare says in what the contents found differ from those of the manifest.
func Compare(a catalog.Artifact, found catalog.Contents) error {
	var differences []string
	names := slices.Sorted(maps.Keys(a.Contents))
	for name := range found {
		if _, there := a.Contents[name]; !there {
			names = append(names, name)
		}
	}
	for _, name := range names {
		if found[name] != a.Contents[name] {
			differences = append(differences, fmt.Sprintf("%s: %d, not %d", name, found[name], a.Contents[name]))
		}
	}
	if len(differences) > 0 {
		return fmt.Errorf("%s: it does not hold what was saved: %v", a.Name, differences)
	}
	return nil
}

// InMemory makes a file that lies in memory alone and is gone with its last
// descriptor.
func InMemory(name string) (*os.File, error) {
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("file in memory: %w", err)
	}
	return os.NewFile(uintptr(fd), fmt.Sprintf("/proc/self/fd/%d", fd)), nil
}
