// Package guestread opens the artifacts of guests and nodes with the private key:
// the account of a backup, and the archive as a stream.
//
// The one thing to know: what comes out of a stream is proven only at its end,
// where the hash of the ciphertext, the last chunk of age and the checksum of
// zstd all are. Whoever acts on it before must be able to take the deed back.
package guestread

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"filippo.io/age"

	"github.com/railiance/railiance/tools/internal/catalog"
	"github.com/railiance/railiance/tools/internal/cttar"
	"github.com/railiance/railiance/tools/internal/guestset"
	"github.com/railiance/railiance/tools/internal/nodetar"
	"github.com/railiance/railiance/tools/internal/store"
	"github.com/railiance/railiance/tools/internal/tell"
	"github.com/railiance/railiance/tools/internal/unseal"
	"github.com/railiance/railiance/tools/internal/vma"
)

// About opens the account of a set.
func About(ctx context.Context, s store.Store, set *catalog.Manifest, keys []age.Identity) (guestset.About, error) {
	a, there := set.Artifact(guestset.AboutAsset)
	if !there {
		return guestset.About{}, fmt.Errorf("%s: holds no account of the backup", set.Name())
	}
	sealed, err := open(ctx, s, a)
	if err != nil {
		return guestset.About{}, err
	}
	defer sealed.Close()
	plain, err := unseal.Reader(sealed, keys...)
	if err != nil {
		return guestset.About{}, sealed.reason(err)
	}
	about, err := guestset.DecodeAbout(plain)
	return about, sealed.end(err)
}

// Archive opens the archive a, to be read as vzdump wrote it. Its Read returns
// io.EOF only where all of it was proven; Close may come before.
func Archive(ctx context.Context, s store.Store, a catalog.Artifact, keys []age.Identity) (io.ReadCloser, error) {
	sealed, err := open(ctx, s, a)
	if err != nil {
		return nil, err
	}
	packed, err := unseal.Reader(sealed, keys...)
	if err != nil {
		err = sealed.reason(err)
		return nil, errors.Join(err, sealed.Close())
	}
	plain, err := unseal.Zstd(packed)
	if err != nil {
		return nil, errors.Join(sealed.end(err), sealed.Close())
	}
	return &archive{plain, sealed}, nil
}

type archive struct {
	plain  io.ReadCloser
	sealed *sealed
}

func (r *archive) Read(p []byte) (int, error) {
	n, err := r.plain.Read(p)
	if err == io.EOF {
		if err := r.sealed.end(nil); err != nil {
			return n, err
		}
	} else if err != nil {
		err = r.sealed.end(err)
	}
	return n, err
}

func (r *archive) Close() error { return errors.Join(r.plain.Close(), r.sealed.Close()) }

// sealed is an artifact that is read and compared with its manifest.
type sealed struct {
	io.Reader
	file    io.Closer
	reading *catalog.Reading
	of      catalog.Artifact
	ctx     context.Context
}

func open(ctx context.Context, s store.Store, a catalog.Artifact) (*sealed, error) {
	file, err := s.Open(ctx, a.Name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: missing", a.Name)
	}
	if err != nil {
		return nil, err
	}
	reading := catalog.NewReading(a)
	// More than the manifest says is not even read.
	return &sealed{io.TeeReader(io.LimitReader(file, a.Size+1), reading), file, reading, a, ctx}, nil
}

func (s *sealed) Read(p []byte) (int, error) {
	if s.ctx.Err() != nil {
		return 0, context.Cause(s.ctx)
	}
	return s.Reader.Read(p)
}

func (s *sealed) Close() error { return s.file.Close() }

// end reads what is left and says what is wrong with the artifact, if anything:
// that other bytes are there than were signed explains every error of what is
// inside, err.
func (s *sealed) end(err error) error {
	if s.ctx.Err() != nil {
		return context.Cause(s.ctx)
	}
	_, rest := io.Copy(io.Discard, s)
	if s.ctx.Err() != nil {
		return context.Cause(s.ctx)
	}
	if rest != nil {
		return fmt.Errorf("%s: %w", s.of.Name, rest)
	}
	if verdict := s.reading.Verdict(); verdict != nil {
		return tell.Hint(fmt.Errorf("%s: %w", s.of.Name, verdict), "verify says which sets are whole; --at names another, --site another copy")
	}
	if err != nil {
		err = fmt.Errorf("%s: %w", s.of.Name, err)
	}
	return err
}

// reason is end with the way out for a key that is missing. That may be the fault
// of the artifact, if it is somebody else's: the account, which is small and
// opened first, spares a real stranger the reading of the archive.
func (s *sealed) reason(err error) error {
	if errors.Is(err, unseal.ErrNoKey) {
		if altered := s.end(nil); altered != nil {
			return altered
		}
		return tell.Hint(fmt.Errorf("%s: %w", s.of.Name, err), "it was encrypted to %v: put one of their private keys into ~/.config/sops/age/keys.txt, or name it by SOPS_AGE_KEY_FILE", s.of.Recipients)
	}
	return s.end(err)
}

// Check reads an archive of that kind to its end and compares each disk, or the
// content of a container, with what was noted while the guest was backed up.
func Check(kind string, archive io.Reader, about guestset.About) error {
	err := check(kind, archive, about)
	// Only at the end shows whether the bytes were the signed ones.
	if _, rest := io.Copy(io.Discard, archive); rest != nil {
		return rest
	}
	return err
}

func check(kind string, archive io.Reader, about guestset.About) error {
	switch kind {
	case guestset.KindVMA:
		found, err := vma.Verify(archive)
		if err != nil {
			return err
		}
		return Disks(found, about)
	case guestset.KindTar:
		found, err := cttar.Verify(archive)
		if err != nil {
			return err
		}
		return Container(found, about)
	case guestset.KindNode:
		found, err := nodetar.Verify(archive)
		if err != nil {
			return err
		}
		return Node(found, about)
	}
	return fmt.Errorf("an archive of kind %q cannot be taken apart here", kind)
}

// Disks says how the disks of an archive differ from those of the account.
func Disks(found vma.Archive, about guestset.About) error {
	byName := map[string]vma.Device{}
	for _, d := range found.Devices {
		byName[d.Name] = d
	}
	var errs []error
	for _, want := range about.Disks {
		d, there := byName[want.Device]
		delete(byName, want.Device)
		switch {
		case !there:
			errs = append(errs, fmt.Errorf("disk %s: missing", want.Key))
		case d.Size != want.Size:
			errs = append(errs, fmt.Errorf("disk %s: has %d bytes, not %d", want.Key, d.Size, want.Size))
		case d.Digest != want.Digest:
			errs = append(errs, fmt.Errorf("disk %s: is not what was backed up: digest %s, not %s", want.Key, d.Digest, want.Digest))
		}
	}
	for name := range byName {
		errs = append(errs, fmt.Errorf("disk %s: nobody noted it", name))
	}
	return errors.Join(errs...)
}

// Container says how the content of a container differs from the account.
func Container(found cttar.Archive, about guestset.About) error {
	switch want := about.Tar; {
	case want == nil:
		return errors.New("the account tells of no container")
	case found.Digest != want.Digest:
		return fmt.Errorf("is not what was backed up: %d members, %d bytes, digest %s, not %d members, %d bytes, digest %s",
			found.Members, found.Bytes, found.Digest, want.Members, want.Bytes, want.Digest)
	}
	return nil
}

// Node says how the files of a node differ from the account.
func Node(found nodetar.Archive, about guestset.About) error {
	switch want := about.Tar; {
	case want == nil:
		return errors.New("the account tells of no files of a node")
	case found.Digest != want.Digest:
		return fmt.Errorf("is not what was backed up: %d members, %d bytes, digest %s, not %d members, %d bytes, digest %s",
			found.Members, found.Bytes, found.Digest, want.Members, want.Bytes, want.Digest)
	}
	return nil
}
