package store_test

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/railiance/railiance/tools/internal/mustrun"
	"github.com/railiance/railiance/tools/internal/store"
	"github.com/railiance/railiance/tools/internal/tell"
)

// mounted is a site on a small disk of its own, and what takes the disk away.
func mounted(t *testing.T) (store.Store, string, func()) {
	t.Helper()
	mustrun.Root(t)
	path := t.TempDir()
	if err := unix.Mount("tmpfs", path, "tmpfs", 0, "size=1m,mode=0700"); err != nil {
		mustrun.Skip(t, "the right to mount")
	}
	there := true
	away := func() {
		if there {
			there = false
			if err := unix.Unmount(path, unix.MNT_DETACH); err != nil {
				t.Error(err)
			}
		}
	}
	t.Cleanup(away)
	if err := os.WriteFile(filepath.Join(path, marker), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	st, err := store.NewDirSite(path, marker).Store(context.Background(), "vm-1")
	if err != nil {
		t.Fatal(err)
	}
	if err := st.Put(context.Background(), "kept", write("kept")); err != nil {
		t.Fatal(err)
	}
	return st, path, away
}

func TestDiskRunsFull(t *testing.T) {
	st, path, _ := mounted(t)
	err := st.Put(context.Background(), "disks", func(w io.Writer) error {
		_, err := w.Write(make([]byte, 2<<20))
		return err
	})
	if !errors.Is(err, unix.ENOSPC) || len(tell.Hints(err)) == 0 {
		t.Errorf("%v, want that no space is left", err)
	}
	files, err := os.ReadDir(filepath.Join(path, "vm-1"))
	if err != nil || len(files) != 1 || files[0].Name() != "kept" {
		t.Errorf("%v, %v", files, err)
	}
	if err := st.Put(context.Background(), "small", write("x")); err != nil {
		t.Errorf("the room is not given back: %v", err)
	}
}

// Where the disk was, the machine's own must not fill up instead.
func TestDiskGoesAway(t *testing.T) {
	st, path, away := mounted(t)
	err := st.Put(context.Background(), "disks", func(w io.Writer) error {
		away()
		_, err := w.Write(make([]byte, 1000))
		return err
	})
	if err == nil {
		t.Error("a disk that is away took an artifact")
	}
	if err := st.Put(context.Background(), "disks", write("x")); err == nil {
		t.Error("and another one")
	}
	if files, err := os.ReadDir(path); err != nil || len(files) > 0 {
		t.Errorf("below the mount point: %v, %v", files, err)
	}
}
