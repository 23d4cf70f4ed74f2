package store_test

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/railiance/railiance/tools/internal/store"
	"github.com/railiance/railiance/tools/internal/store/storetest"
)

func open(t *testing.T) *store.Dir {
	t.Helper()
	d, err := store.MakeDir(filepath.Join(t.TempDir(), "backups", "layer"))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestDir(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Store { return open(t) })
}

func write(text string) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := io.WriteString(w, text)
		return err
	}
}

// Whatever the umask says, nobody else may read, and nobody at all may write
// by accident.
func TestModes(t *testing.T) {
	old := unix.Umask(0)
	defer unix.Umask(old)
	d := open(t)
	err := d.Put(context.Background(), "a", func(w io.Writer) error {
		drafts, err := filepath.Glob(filepath.Join(d.Path(), ".draft-*"))
		if err != nil || len(drafts) != 1 {
			t.Fatalf("drafts: %q, %v", drafts, err)
		}
		mode(t, drafts[0], 0o600)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	mode(t, filepath.Join(d.Path(), "a"), 0o400)
	mode(t, d.Path(), fs.ModeDir|0o700)
	mode(t, filepath.Dir(d.Path()), fs.ModeDir|0o700)
}

func mode(t *testing.T, path string, want fs.FileMode) {
	t.Helper()
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode() != want {
		t.Errorf("%s is %s, want %s", path, info.Mode(), want)
	}
}

// What a killed run leaves is a draft: no list shows it, and Sweep removes it
// and nothing else.
func TestSweep(t *testing.T) {
	d := open(t)
	if err := d.Put(context.Background(), "kept", write("kept")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{".draft-etcd-1.snap.age-123", ".draft-456", ".last-backup", "draft-somebody", ".drafts"} {
		if err := os.WriteFile(filepath.Join(d.Path(), name), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(d.Path(), ".draft-folder"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("kept", filepath.Join(d.Path(), ".draft-link")); err != nil {
		t.Fatal(err)
	}
	entries, err := d.List(context.Background(), "")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name, ".draft-") {
			t.Errorf("list shows %s", e.Name)
		}
	}
	swept, err := d.Sweep()
	if err != nil || strings.Join(swept, " ") != ".draft-456 .draft-etcd-1.snap.age-123" {
		t.Errorf("swept %q, %v", swept, err)
	}
	for _, name := range []string{"kept", ".last-backup", "draft-somebody", ".drafts", ".draft-folder", ".draft-link"} {
		if _, err := os.Lstat(filepath.Join(d.Path(), name)); err != nil {
			t.Errorf("%s is gone: %v", name, err)
		}
	}
}

// Somebody who can write to the folder must not lead a restore elsewhere, nor
// hang it.
func TestOpenFollowsNothing(t *testing.T) {
	d := open(t)
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("elsewhere"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(secret, filepath.Join(d.Path(), "link")); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mkfifo(filepath.Join(d.Path(), "pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(d.Path(), "folder"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"link", "pipe", "folder"} {
		if r, err := d.Open(context.Background(), name); err == nil {
			t.Errorf("open %s: accepted", name)
			r.Close()
		}
		if err := d.Put(context.Background(), name, write("x")); !errors.Is(err, fs.ErrExist) {
			t.Errorf("put %s: %v, want fs.ErrExist", name, err)
		}
	}
	if entries, err := d.List(context.Background(), ""); err != nil || len(entries) > 0 {
		t.Errorf("list: %v, %v", entries, err)
	}
}

func TestFoldersThatAreNone(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := store.OpenDir(file); err == nil {
		t.Error("a file is taken for a folder")
	}
	if _, err := store.MakeDir(filepath.Join(file, "below")); err == nil {
		t.Error("a folder below a file is made")
	}
	if _, err := store.OpenDir(file + "-none"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("none: %v, want fs.ErrNotExist", err)
	}
}

func TestFree(t *testing.T) {
	free, err := open(t).Free()
	if err != nil || free <= 0 {
		t.Errorf("free: %d, %v", free, err)
	}
}
