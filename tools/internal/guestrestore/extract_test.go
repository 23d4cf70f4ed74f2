package guestrestore_test

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"filippo.io/age"

	"github.com/railiance/railiance/tools/internal/guestrestore"
	"github.com/railiance/railiance/tools/internal/guestset"
	"github.com/railiance/railiance/tools/internal/nodetar"
	"github.com/railiance/railiance/tools/internal/unseal"
	"github.com/railiance/railiance/tools/internal/vma"
	"github.com/railiance/railiance/tools/internal/vma/vmatest"
)

// noise is content that is several chunks of age long.
func noise(size int, seed uint64) []byte {
	b := make([]byte, size)
	r := rand.New(rand.NewPCG(seed, 0))
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

var vm = guestset.Guest(guestset.VM, 100)

// machine is the archive of a guest with a sparse disk and a small one, taken
// while it ran.
func machine(t *testing.T) (plain []byte, disks map[string][]byte) {
	t.Helper()
	sparse := make([]byte, 8<<20)
	copy(sparse[1<<20:], noise(300<<10, 1))
	copy(sparse[7<<20:], "the end")
	small := noise(5000, 2)
	a := vmatest.Guest(vmatest.Bytes("drive-scsi0", sparse), vmatest.Bytes("drive-efidisk0", small))
	a.Order = vmatest.Live(a.Disks, 40, 3)
	var b bytes.Buffer
	ok(t, a.Write(&b))
	return b.Bytes(), map[string][]byte{"scsi0": sparse, "efidisk0": small}
}

func container(t *testing.T) []byte {
	t.Helper()
	return archived(t, [][2]string{
		{"./etc/vzdump/pct.conf", "arch: amd64\nhostname: dns\nrootfs: local:200/vm-200-disk-0.raw,size=1G\nunprivileged: 1\n"},
		{"./etc/vzdump/pct.fw", "[OPTIONS]\nenable: 1\n"},
		{"./etc/hostname", "dns\n"}, {"./var/data", string(noise(200<<10, 4))},
	})
}

// archived is a tar of files, each its name and its content.
func archived(t *testing.T, files [][2]string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, f := range files {
		ok(t, w.WriteHeader(&tar.Header{Name: f[0], Mode: 0o644, Size: int64(len(f[1])), Format: tar.FormatPAX}))
		_, err := w.Write([]byte(f[1]))
		ok(t, err)
	}
	ok(t, w.Close())
	return b.Bytes()
}

func listing(t *testing.T, dir string) []string {
	t.Helper()
	var names []string
	entries, err := os.ReadDir(dir)
	ok(t, err)
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// The disks come back to the byte, and take no more room than they hold.
func TestExtractVM(t *testing.T) {
	plain, disks := machine(t)
	s := backedUp(t, vm, plain, nil)
	dir := t.TempDir()
	out := filepath.Join(dir, "guest")
	done, err := guestrestore.Extract(t.Context(), s.Source, "", out)
	ok(t, err)
	if want := []string{"about.json", "efidisk0.raw", "qemu-server.conf", "scsi0.raw"}; !slices.Equal(listing(t, out), want) || len(done.Files) != 3 {
		t.Errorf("%v: %+v", listing(t, out), done.Files)
	}
	for key, want := range disks {
		got, err := os.ReadFile(filepath.Join(out, key+".raw"))
		ok(t, err)
		if !bytes.Equal(got, want) {
			t.Errorf("disk %s differs", key)
		}
	}
	var stat syscall.Stat_t
	ok(t, syscall.Stat(filepath.Join(out, "scsi0.raw"), &stat))
	if stat.Blocks*512 > 2<<20 {
		t.Errorf("a disk with 300 KiB in it takes %d bytes", stat.Blocks*512)
	}
	if names := listing(t, dir); !slices.Equal(names, []string{"guest"}) {
		t.Errorf("beside it: %v", names)
	}
	config, err := os.ReadFile(filepath.Join(out, "qemu-server.conf"))
	if err != nil || !strings.Contains(string(config), "#qmdump#map:scsi0:") {
		t.Errorf("configuration %q, %v", config, err)
	}
}

func TestExtractOneDisk(t *testing.T) {
	plain, disks := machine(t)
	s := backedUp(t, vm, plain, func(a *guestset.About) { a.LeftOut = []guestset.LeftOut{{Key: "scsi1", Why: "backup=0"}} })
	dir := t.TempDir()
	out := filepath.Join(dir, "disk.img")
	_, err := guestrestore.Extract(t.Context(), s.Source, "efidisk0", out)
	ok(t, err)
	got, err := os.ReadFile(out)
	if err != nil || !bytes.Equal(got, disks["efidisk0"]) || !slices.Equal(listing(t, dir), []string{"disk.img"}) {
		t.Errorf("%d bytes, %v, beside it %v", len(got), err, listing(t, dir))
	}
	_, err = guestrestore.Extract(t.Context(), s.Source, "efidisk0", out)
	if fails(t, err, "nothing is written over"); !errors.Is(err, fs.ErrExist) || errors.Is(err, guestrestore.ErrSource) {
		t.Error(err)
	}
	_, err = guestrestore.Extract(t.Context(), s.Source, "scsi1", out+"2")
	fails(t, err, "scsi1 is not in the backup: backup=0")
	_, err = guestrestore.Extract(t.Context(), s.Source, "scsi9", out+"2")
	fails(t, err, `no disk "scsi9"`)
	if names := listing(t, dir); !slices.Equal(names, []string{"disk.img"}) {
		t.Errorf("beside it: %v", names)
	}
}

func TestExtractContainer(t *testing.T) {
	plain := container(t)
	s := backedUp(t, guestset.Guest(guestset.CT, 200), plain, nil)
	out := filepath.Join(t.TempDir(), "guest")
	_, err := guestrestore.Extract(t.Context(), s.Source, "", out)
	ok(t, err)
	if want := []string{"about.json", "ct-200.tar", "pct.conf", "pct.fw"}; !slices.Equal(listing(t, out), want) {
		t.Errorf("%v", listing(t, out))
	}
	got, err := os.ReadFile(filepath.Join(out, "ct-200.tar"))
	if err != nil || !bytes.Equal(got, plain) {
		t.Errorf("the tar differs: %d bytes of %d, %v", len(got), len(plain), err)
	}
	_, err = guestrestore.Extract(t.Context(), s.Source, "rootfs", out+"2")
	fails(t, err, "has no disks")
	s = backedUp(t, guestset.Guest(guestset.CT, 200), plain, func(a *guestset.About) { a.Tar.Digest = "else" })
	_, err = guestrestore.Extract(t.Context(), s.Source, "", out+"2")
	if fails(t, err, "is not what was backed up"); len(listing(t, filepath.Dir(out))) != 1 {
		t.Errorf("left: %v", listing(t, filepath.Dir(out)))
	}
}

// What appears at its place while it is written stays as it is.
func TestExtractReplacesNothing(t *testing.T) {
	plain, _ := machine(t)
	s := backedUp(t, vm, plain, nil)
	for _, disk := range []string{"", "scsi0"} {
		out := filepath.Join(t.TempDir(), "out")
		appear := func() error { return os.MkdirAll(out, 0o700) }
		if disk != "" {
			appear = func() error { return os.WriteFile(out, []byte("kept"), 0o600) }
		}
		s := s.Source
		s.Folder = &opening{s.Folder, filepath.Join(filepath.Dir(out), ".draft-out"), appear}
		_, err := guestrestore.Extract(t.Context(), s, disk, out)
		if !errors.Is(err, fs.ErrExist) {
			t.Errorf("%q: %v", disk, err)
		}
		if names := listing(t, filepath.Dir(out)); !slices.Equal(names, []string{"out"}) {
			t.Errorf("%q: %v", disk, names)
		}
	}
}

func TestExtractNode(t *testing.T) {
	plain := archived(t, [][2]string{{"etc/hostname", "baobab\n"}, {"etc/pve/storage.cfg", string(noise(300<<10, 7))}, {nodetar.Report, "{}"}})
	node := guestset.Subject{Kind: guestset.Node, Name: "baobab"}
	s := backedUp(t, node, plain, nil)
	dir := t.TempDir()
	_, err := guestrestore.Extract(t.Context(), s.Source, "", filepath.Join(dir, "out"))
	ok(t, err)
	got, err := os.ReadFile(filepath.Join(dir, "out", "node-baobab.tar"))
	if err != nil || !bytes.Equal(got, plain) || len(listing(t, filepath.Join(dir, "out"))) != 2 {
		t.Errorf("%d bytes, %v, %v", len(got), err, listing(t, filepath.Join(dir, "out")))
	}
	s.damage(t, func(b []byte) []byte { return b[:len(b)-1] })
	for want, s := range map[string]set{
		"torn":                      s,
		"is not what was backed up": backedUp(t, node, plain, func(a *guestset.About) { a.Tar.Digest = "else" }),
		`its account is of node "x`: backedUp(t, node, plain, func(a *guestset.About) { a.Node = "x" }),
	} {
		_, err = guestrestore.Extract(t.Context(), s.Source, "", filepath.Join(dir, "other"))
		if fails(t, err, want); len(listing(t, dir)) != 1 {
			t.Errorf("left: %v", listing(t, dir))
		}
	}
}

// Whatever is wrong, nothing appears; and whoever calls knows whether another
// copy would help.
func TestExtractOfWhatIsWrong(t *testing.T) {
	plain, _ := machine(t)
	stranger, err := age.GenerateX25519Identity()
	ok(t, err)
	for name, tt := range map[string]struct {
		set   func(t *testing.T) set
		want  string
		other bool // another copy may do
	}{
		"a torn artifact": {func(t *testing.T) set {
			s := backedUp(t, vm, plain, nil)
			s.damage(t, func(b []byte) []byte { return b[:len(b)-100] })
			return s
		}, "torn", true},
		"a changed bit": {func(t *testing.T) set {
			s := backedUp(t, vm, plain, nil)
			s.damage(t, func(b []byte) []byte { b[len(b)-100] ^= 1; return b })
			return s
		}, "altered", true},
		"the archive of another guest": {func(t *testing.T) set {
			s := backedUp(t, vm, plain, nil)
			other := backedUp(t, vm, plain, nil)
			s.damage(t, func([]byte) []byte {
				a, err := other.Artifact()
				ok(t, err)
				b, err := os.ReadFile(filepath.Join(other.dir, a.Name))
				ok(t, err)
				return b
			})
			s.Keys = append(s.Keys, other.key)
			return s
		}, "altered", true},
		"another disk than was noted": {func(t *testing.T) set {
			return backedUp(t, vm, plain, func(a *guestset.About) { a.Disks[0].Digest = vma.Digest{} })
		}, "disk scsi0: is not what was backed up", true},
		"a disk nobody noted": {func(t *testing.T) set {
			return backedUp(t, vm, plain, func(a *guestset.About) { a.Disks = a.Disks[1:] })
		}, "nobody noted it", true},
		"the account of another guest": {func(t *testing.T) set {
			return backedUp(t, vm, plain, func(a *guestset.About) { a.Guest = 101 })
		}, "its account is of guest 101", true},
		"the account of another day": {func(t *testing.T) set {
			return backedUp(t, vm, plain, func(a *guestset.About) { a.Time = at.Add(-24 * time.Hour) })
		}, "its account is of guest 100 at 20261120T020000Z", true},
		"a configuration with the name of a disk": {func(t *testing.T) set {
			a := vmatest.Guest(vmatest.Bytes("drive-scsi0", noise(5000, 3)))
			a.Files = append(a.Files, vmatest.File{Name: "scsi0.raw", Data: []byte("boot: order=scsi0\n")})
			var b bytes.Buffer
			ok(t, a.Write(&b))
			return backedUp(t, vm, b.Bytes(), nil)
		}, "exists", false},
		"a disk with a way out for a name": {func(t *testing.T) set {
			return backedUp(t, vm, plain, func(a *guestset.About) { a.Disks[0].Key = "../../up" })
		}, "path escapes", false},
		"a stranger's key": {func(t *testing.T) set {
			s := backedUp(t, vm, plain, nil)
			s.Keys = []age.Identity{stranger}
			return s
		}, "none of the private keys", false},
		"an artifact that is gone": {func(t *testing.T) set {
			s := backedUp(t, vm, plain, nil)
			a, err := s.Artifact()
			ok(t, err)
			ok(t, os.Remove(filepath.Join(s.dir, a.Name)))
			return s
		}, "missing", true},
	} {
		t.Run(name, func(t *testing.T) {
			s := tt.set(t)
			dir := t.TempDir()
			for _, disk := range []string{"", "efidisk0"} {
				if disk != "" && strings.Contains(name, "name") {
					continue
				}
				_, err := guestrestore.Extract(t.Context(), s.Source, disk, filepath.Join(dir, "out"))
				fails(t, err, tt.want)
				if errors.Is(err, guestrestore.ErrSource) != tt.other {
					t.Errorf("another copy: %v", err)
				}
				if errors.Is(err, unseal.ErrNoKey) != (name == "a stranger's key") {
					t.Errorf("%v", err)
				}
				if names := listing(t, dir); len(names) > 0 {
					t.Errorf("left: %v", names)
				}
			}
		})
	}
}

// Somebody who interrupts leaves nothing; what a killed run has left, plaintext
// as it is, goes with the next one, but not while that run lives.
func TestExtractLeavesNoDraft(t *testing.T) {
	plain, _ := machine(t)
	s := backedUp(t, vm, plain, nil)
	dir := t.TempDir()
	out := filepath.Join(dir, "out")
	ctx, stop := context.WithCancelCause(t.Context())
	why := errors.New("interrupted")
	stop(why)
	_, err := guestrestore.Extract(ctx, s.Source, "", out)
	if !errors.Is(err, why) || len(listing(t, dir)) > 0 {
		t.Errorf("%v; left: %v", err, listing(t, dir))
	}

	left := filepath.Join(dir, ".draft-out")
	ok(t, errors.Join(os.Mkdir(left, 0o700), os.WriteFile(filepath.Join(left, "scsi0.raw"), []byte("plaintext"), 0o600)))
	held, err := os.Open(left)
	ok(t, err)
	ok(t, syscall.Flock(int(held.Fd()), syscall.LOCK_EX))
	_, err = guestrestore.Extract(t.Context(), s.Source, "", out)
	fails(t, err, "another run is writing there")
	ok(t, held.Close())
	done, err := guestrestore.Extract(t.Context(), s.Source, "", out)
	if err != nil || !done.Swept || !slices.Equal(listing(t, dir), []string{"out"}) {
		t.Errorf("%+v, %v, %v", done, err, listing(t, dir))
	}
}
