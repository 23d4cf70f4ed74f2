package cttar_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"golang.org/x/sys/unix"

	"github.com/railiance/railiance/tools/internal/cttar"
	"github.com/railiance/railiance/tools/internal/mustrun"
)

// vzdump makes the archive of what lies under dir as vzdump does: the
// configuration first, from a folder of its own, then the container.
func vzdump(t testing.TB, dir, config string) []byte {
	t.Helper()
	own := filepath.Join(t.TempDir(), "own")
	put(t, own, "etc/vzdump/pct.conf", []byte(config))
	put(t, own, "etc/vzdump/pct.fw", []byte("[OPTIONS]\nenable: 1\n"))
	return gnutar(t, "--directory="+own, "./etc/vzdump/pct.conf", "./etc/vzdump/pct.fw", "--directory="+dir, "./")
}

func gnutar(t testing.TB, args ...string) []byte {
	t.Helper()
	cmd := exec.Command(mustrun.Command(t, "tar"), append([]string{"cpf", "-", "--totals", "--one-file-system", "-p", "--sparse",
		"--numeric-owner", "--acls", "--xattrs", "--xattrs-include=user.*", "--xattrs-include=security.capability",
		"--warning=no-file-ignored", "--warning=no-xattr-write"}, args...)...)
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("tar: %v: %s", err, complaints.Bytes())
	}
	return out
}

func put(t testing.TB, dir, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

const config = "arch: amd64\nhostname: ct-unpriv\nunprivileged: 1\n"

// longName needs an extended header.
var longName = strings.Repeat("a folder with a long name/", 12)

// container has all that a container's disk may have, and the user who named
// its files was in a bad mood.
func container(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	put(t, dir, "etc/hostname", []byte("ct-unpriv\n"))
	put(t, dir, "empty", nil)
	put(t, dir, "block", bytes.Repeat([]byte("0123456789abcdef"), 32))
	put(t, dir, "large", bytes.Repeat([]byte("one line of many\n"), 20_000))
	put(t, dir, "zeros", make([]byte, 200_000))
	put(t, dir, longName+"file", []byte("x"))
	put(t, dir, "a\nline \x1b[31mred $(reboot) \xff..", []byte("x"))
	sparse := put(t, dir, "sparse", []byte("start"))
	f, err := os.OpenFile(sparse, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, at := range []int64{100_000, 1 << 20, 1<<30 - 7} {
		if _, err := f.WriteAt([]byte("in the middle"), at); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(f.Truncate(300<<20), f.Close()); err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{
		os.Symlink("/etc/../../passwd", filepath.Join(dir, "symlink")),
		os.Link(filepath.Join(dir, "etc/hostname"), filepath.Join(dir, "hard")),
		unix.Mkfifo(filepath.Join(dir, "fifo"), 0o600),
		unix.Setxattr(filepath.Join(dir, "large"), "user.note", []byte("a\nvalue = \x00 and more"), 0),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestVerify(t *testing.T) {
	dir := container(t)
	raw := vzdump(t, dir, config)
	got, err := cttar.Verify(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	listed, err := exec.Command("sh", "-c", `cd "$1" && find . -print0 | tr -dc '\0' | wc -c`, "sh", dir).Output()
	if err != nil {
		t.Fatal(err)
	}
	if found := strings.TrimSpace(string(listed)); string(got.Config) != config || string(got.Firewall) != "[OPTIONS]\nenable: 1\n" ||
		got.Size != int64(len(raw)) || got.OwnConfig || got.Members != 2+atoi(t, found) {
		t.Errorf("%+v, of %s files and %d bytes", got, found, len(raw))
	}
	if want := int64(300<<20 + 10 + 512 + 17*20_000 + 200_000 + 1 + 1); got.Bytes != want {
		t.Errorf("%d bytes in files, want %d", got.Bytes, want)
	}
	for name, r := range map[string]io.Reader{
		"byte by byte": iotest.OneByteReader(bytes.NewReader(raw)),
		"end at once":  iotest.DataErrReader(bytes.NewReader(raw)),
	} {
		if again, err := cttar.Verify(r); err != nil || again.Digest != got.Digest {
			t.Errorf("%s: %+v, %v", name, again, err)
		}
	}
}

// An extracted copy has the same digest, though its folders are read in
// another order and its holes are elsewhere.
func TestDigestOfACopy(t *testing.T) {
	mustrun.Root(t)
	dir := container(t)
	first, err := cttar.Verify(bytes.NewReader(vzdump(t, dir, config)))
	if err != nil {
		t.Fatal(err)
	}
	copied := t.TempDir()
	extract := exec.Command("tar", "xpf", "-", "--numeric-owner", "--xattrs", "--xattrs-include=user.*", "-C", copied)
	extract.Stdin = bytes.NewReader(gnutar(t, "-C", dir, "--sort=name", "./"))
	if out, err := extract.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	raw := gnutar(t, "-C", filepath.Dir(put(t, t.TempDir(), "etc/vzdump/pct.conf", []byte("other"))), "--transform=s,^,./etc/vzdump/,", "pct.conf")
	raw = append(bytes.TrimRight(raw, "\x00"), make([]byte, -len(bytes.TrimRight(raw, "\x00"))&511)...)
	raw = append(raw, gnutar(t, "-C", copied, "--sort=name", "--hole-detection=raw", "--mtime=2020-01-01", "./")...)
	second, err := cttar.Verify(bytes.NewReader(raw))
	if err != nil || first.Digest != second.Digest || first.Bytes != second.Bytes {
		t.Errorf("%+v\n%+v, %v", first, second, err)
	}
	for what, change := range map[string]func() error{
		"a byte":        func() error { return flip(filepath.Join(copied, "large"), 70_000) },
		"a byte of it":  func() error { return flip(filepath.Join(copied, "sparse"), 1<<20) },
		"a mode":        func() error { return os.Chmod(filepath.Join(copied, "block"), 0o600) },
		"an owner":      func() error { return os.Chown(filepath.Join(copied, "empty"), 100_000, 0) },
		"a name":        func() error { return os.Rename(filepath.Join(copied, "fifo"), filepath.Join(copied, "pipe")) },
		"an attribute":  func() error { return unix.Setxattr(filepath.Join(copied, "large"), "user.note", []byte("b"), 0) },
		"a hole longer": func() error { return os.Truncate(filepath.Join(copied, "zeros"), 200_001) },
		"a link": func() error {
			return errors.Join(os.Remove(filepath.Join(copied, "symlink")), os.Symlink("x", filepath.Join(copied, "symlink")))
		},
	} {
		if err := change(); err != nil {
			t.Fatal(err)
		}
		after, err := cttar.Verify(bytes.NewReader(vzdump(t, copied, config)))
		if err != nil || after.Digest == second.Digest {
			t.Errorf("%s was changed: %s before, %s after, %v", what, second.Digest, after.Digest, err)
		}
		second = after
	}
}

func flip(path string, at int64) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	b := make([]byte, 1)
	_, err = f.ReadAt(b, at)
	b[0] ^= 1
	_, writeErr := f.WriteAt(b, at)
	return errors.Join(err, writeErr, f.Close())
}

// Root in the container can put a file where its configuration is extracted.
func TestOwnConfig(t *testing.T) {
	for _, name := range []string{"etc/vzdump/pct.conf", "etc/vzdump/pct.fw", "etc/vzdump/other", "etc/vzdump"} {
		dir := t.TempDir()
		put(t, dir, name, []byte("unprivileged: 0\n"))
		got, err := cttar.Verify(bytes.NewReader(vzdump(t, dir, config)))
		if err != nil || !got.OwnConfig || string(got.Config) != config {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "etc/vzdump"), 0o755); err != nil { // as a restore leaves it
		t.Fatal(err)
	}
	if got, err := cttar.Verify(bytes.NewReader(vzdump(t, dir, config))); err != nil || got.OwnConfig {
		t.Errorf("an empty folder: %+v, %v", got, err)
	}
}

func atoi(t *testing.T, s string) (n int64) {
	t.Helper()
	for _, c := range s {
		n = 10*n + int64(c-'0')
	}
	return n
}
