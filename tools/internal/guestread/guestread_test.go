package guestread_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"filippo.io/age"

	"github.com/railiance/railiance/tools/internal/catalog"
	"github.com/railiance/railiance/tools/internal/guestread"
	"github.com/railiance/railiance/tools/internal/guestset"
	"github.com/railiance/railiance/tools/internal/seal"
	"github.com/railiance/railiance/tools/internal/store"
	"github.com/railiance/railiance/tools/internal/unseal"
	"github.com/railiance/railiance/tools/internal/vma"
	"github.com/railiance/railiance/tools/internal/vma/vmatest"
)

// sealedGuest is a guest of several age chunks in a folder.
type sealedGuest struct {
	dir      string
	store    store.Store
	key      *age.X25519Identity
	artifact catalog.Artifact
	set      *catalog.Manifest
	about    guestset.About
	plain    []byte
}

func seals(t *testing.T) sealedGuest {
	t.Helper()
	key, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	// What does not compress is several chunks of age long.
	content := make([]byte, 300<<10)
	for i, x := 0, uint32(1); i < len(content); i++ {
		x ^= x << 13
		x ^= x >> 17
		x ^= x << 5
		content[i] = byte(x)
	}
	archive := vmatest.Guest(vmatest.Bytes("drive-scsi0", content))
	var plain bytes.Buffer
	if err := archive.Write(&plain); err != nil {
		t.Fatal(err)
	}
	digest, size, err := vma.Sum(bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	about := guestset.About{Guest: 100, Type: "qemu", Disks: []guestset.Disk{{Key: "scsi0", Device: "drive-scsi0", Size: size, Digest: digest}}}
	dir := t.TempDir()
	s, err := store.MakeDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	g := sealedGuest{dir: dir, store: s, key: key, about: about, plain: plain.Bytes(), set: &catalog.Manifest{}}
	put := func(asset, name string, stream seal.Stream) catalog.Artifact {
		var sum seal.Sum
		if err := s.Put(t.Context(), name, stream.Encrypted(key.Recipient()).Measured(&sum)); err != nil {
			t.Fatal(err)
		}
		a := catalog.Artifact{Name: name, Asset: asset, Size: sum.Size, SHA256: sum.SHA256, Recipients: []string{key.Recipient().String()}}
		g.set.Artifacts = append(g.set.Artifacts, a)
		return a
	}
	g.artifact = put("vm-100", "vm-100.age", seal.Stream(archive.Write).Zstd())
	b, err := about.Encode()
	if err != nil {
		t.Fatal(err)
	}
	put(guestset.AboutAsset, "about.age", func(w io.Writer) error { _, err := w.Write(b); return err })
	return g
}

func (g sealedGuest) read(ctx context.Context, keys ...age.Identity) ([]byte, error) {
	r, err := guestread.Archive(ctx, g.store, g.artifact, keys)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

func TestWhatWasSealedComesBack(t *testing.T) {
	g := seals(t)
	got, err := g.read(t.Context(), g.key)
	if err != nil || !bytes.Equal(got, g.plain) {
		t.Fatalf("%d bytes came back of %d: %v", len(got), len(g.plain), err)
	}
	about, err := guestread.About(t.Context(), g.store, g.set, []age.Identity{g.key})
	if err != nil || about.Disks[0].Digest != g.about.Disks[0].Digest {
		t.Errorf("account %+v: %v", about, err)
	}
	if err := guestread.Check(guestset.KindVMA, bytes.NewReader(got), about); err != nil {
		t.Error(err)
	}
}

// Whatever is done to the file, nobody gets to io.EOF.
func TestNothingElseIsProven(t *testing.T) {
	g := seals(t)
	stranger, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := g.read(t.Context(), stranger); !errors.Is(err, unseal.ErrNoKey) {
		t.Errorf("a stranger's key: %v", err)
	}
	stopped, stop := context.WithCancel(t.Context())
	stop()
	if _, err := g.read(stopped, g.key); !errors.Is(err, context.Canceled) {
		t.Errorf("stopped: %v", err)
	}
	path := filepath.Join(g.dir, g.artifact.Name)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	write := func(b []byte) {
		t.Helper()
		if err := errors.Join(os.Remove(path), os.WriteFile(path, b, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	for at := 0; at < len(whole); at += 997 {
		b := bytes.Clone(whole)
		b[at] ^= 1
		write(b)
		if _, err := g.read(t.Context(), g.key); err == nil || !strings.Contains(err.Error(), "altered") || errors.Is(err, unseal.ErrNoKey) {
			t.Fatalf("bit %d: %v", at, err)
		}
	}
	for _, n := range []int{0, 100, 64 << 10, len(whole) - 1} {
		write(whole[:n])
		if _, err := g.read(t.Context(), g.key); err == nil || !strings.Contains(err.Error(), "torn") {
			t.Errorf("cut at %d: %v", n, err)
		}
	}
	write(append(bytes.Clone(whole), whole...))
	if _, err := g.read(t.Context(), g.key); err == nil || !strings.Contains(err.Error(), "too long") {
		t.Errorf("twice: %v", err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if _, err := g.read(t.Context(), g.key); err == nil || !strings.Contains(err.Error(), "vm-100.age: missing") {
		t.Errorf("gone: %v", err)
	}
}

// counting is a store that counts what is read of its files, which it makes
// longer by what tail yields.
type counting struct {
	store.Store
	tail io.Reader
	n    int64
	seen func()
}

func (c *counting) Open(ctx context.Context, name string) (io.ReadCloser, error) {
	f, err := c.Store.Open(ctx, name)
	if err != nil {
		return nil, err
	}
	return struct {
		io.Reader
		io.Closer
	}{c.reader(io.MultiReader(f, c.tail)), f}, nil
}

func (c *counting) reader(r io.Reader) io.Reader {
	return readerFunc(func(p []byte) (int, error) {
		n, err := r.Read(p)
		c.n += int64(n)
		if c.seen != nil {
			c.seen()
		}
		return n, err
	})
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// An artifact that a store makes longer than was signed, even without an end, is
// not read on.
func TestWhatIsTooLongIsNotReadToItsEnd(t *testing.T) {
	g := seals(t)
	endless := &counting{Store: g.store, tail: io.LimitReader(readerFunc(func(p []byte) (int, error) { return len(p), nil }), 1<<30)}
	g.store = endless
	if _, err := g.read(t.Context(), g.key); err == nil || !strings.Contains(err.Error(), "too long") {
		t.Error(err)
	}
	if over := endless.n - g.artifact.Size; over > 1<<20 {
		t.Errorf("%d bytes more than were signed were read", over)
	}
}

// Who stops does not wait for the rest of an archive.
func TestReadingStops(t *testing.T) {
	g := seals(t)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	slow := &counting{Store: g.store, tail: strings.NewReader("")}
	slow.seen = func() {
		if slow.n > 100<<10 {
			stop()
		}
	}
	g.store = slow
	if _, err := g.read(ctx, g.key); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if slow.n > 250<<10 {
		t.Errorf("%d of %d bytes were read", slow.n, g.artifact.Size)
	}
}

// What somebody has put there that was encrypted to somebody else is no matter
// of a key that is missing.
func TestAnotherIsNotAKeyThatIsMissing(t *testing.T) {
	g, other := seals(t), seals(t)
	b, err := os.ReadFile(filepath.Join(other.dir, other.artifact.Name))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(g.dir, g.artifact.Name)
	if err := errors.Join(os.Remove(path), os.WriteFile(path, b, 0o600)); err != nil {
		t.Fatal(err)
	}
	if _, err := g.read(t.Context(), g.key); err == nil || errors.Is(err, unseal.ErrNoKey) || !strings.Contains(err.Error(), "vm-100.age: ") {
		t.Error(err)
	}
}

// Why an archive cannot be read explains what is wrong in it, and shows at its
// end only.
func TestTheEndExplainsTheMiddle(t *testing.T) {
	g := seals(t)
	altered := errors.New("altered")
	odd := bytes.Clone(g.plain)
	clear(odd[:1<<10])
	for name, about := range map[string]guestset.About{"its head": g.about, "another account": {}} {
		if err := guestread.Check(guestset.KindVMA, io.MultiReader(bytes.NewReader(odd), iotest.ErrReader(altered)), about); !errors.Is(err, altered) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A good archive of another guest, or of another day, is not this backup.
func TestWhatIsInItIsCompared(t *testing.T) {
	g := seals(t)
	for name, tt := range map[string]struct {
		change func(*guestset.About)
		want   string
	}{
		"a disk more":    {func(a *guestset.About) { a.Disks = append(a.Disks, guestset.Disk{Key: "scsi1", Device: "drive-scsi1"}) }, "disk scsi1: missing"},
		"a disk less":    {func(a *guestset.About) { a.Disks = nil }, "disk drive-scsi0: nobody noted it"},
		"another size":   {func(a *guestset.About) { a.Disks[0].Size++ }, "disk scsi0: has 307200 bytes, not 307201"},
		"other content":  {func(a *guestset.About) { a.Disks[0].Digest = vma.Digest{} }, "disk scsi0: is not what was backed up"},
		"nothing at all": {func(*guestset.About) {}, ""},
	} {
		about := g.about
		about.Disks = append([]guestset.Disk{}, g.about.Disks...)
		tt.change(&about)
		err := guestread.Check(guestset.KindVMA, bytes.NewReader(g.plain), about)
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := guestread.Check(guestset.KindVMA, bytes.NewReader(g.plain[:len(g.plain)-1]), g.about); err == nil {
		t.Error("a torn archive was taken")
	}
	if err := guestread.Check("tape", bytes.NewReader(g.plain), g.about); err == nil || !strings.Contains(err.Error(), `kind "tape"`) {
		t.Errorf("another kind: %v", err)
	}
}
