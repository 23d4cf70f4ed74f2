package store

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/railiance/railiance/tools/internal/mustrun"
	"github.com/railiance/railiance/tools/internal/tell"
)

// hang mounts a disk over path whose server says nothing: whoever looks at it
// waits until it is let go.
func hang(t *testing.T, path string) {
	t.Helper()
	server, err := os.OpenFile("/dev/fuse", os.O_RDWR, 0)
	if err != nil {
		mustrun.Skip(t, "/dev/fuse")
	}
	if err := unix.Mount("dead", path, "fuse", 0, fmt.Sprintf("fd=%d,rootmode=40000,user_id=0,group_id=0", server.Fd())); err != nil {
		mustrun.Skip(t, "the right to mount")
	}
	t.Cleanup(func() {
		_ = server.Close()
		_ = unix.Unmount(path, unix.MNT_DETACH)
	})
}

// A NAS that is gone holds nobody for ever, whatever is asked of it, also where
// it went in the middle of a run.
func TestDiskThatHangs(t *testing.T) {
	mustrun.Root(t)
	path := t.TempDir()
	if err := os.WriteFile(filepath.Join(path, "marker"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	site := NewDirSite(path, "marker")
	site.patience = 50 * time.Millisecond
	ctx := context.Background()
	st, err := site.Store(ctx, "vm-1")
	if err != nil {
		t.Fatal(err)
	}
	put := func(name string) error {
		return st.Put(ctx, name, func(w io.Writer) error { _, err := io.WriteString(w, "x"); return err })
	}
	if err := put("disks"); err != nil {
		t.Fatal(err)
	}
	hang(t, path)
	for what, ask := range map[string]func() error{
		"check":  func() error { return site.Check(ctx, 1) },
		"names":  func() error { _, err := site.Names(ctx); return err },
		"sweep":  func() error { _, err := site.Sweep(ctx, "vm-1"); return err },
		"put":    func() error { return put("manifest") },
		"open":   func() error { _, err := st.Open(ctx, "disks"); return err },
		"list":   func() error { _, err := st.List(ctx, ""); return err },
		"remove": func() error { return st.Remove(ctx, "disks") },
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			err := ask()
			if err == nil || !strings.Contains(err.Error(), "does not answer") || len(tell.Hints(err)) == 0 {
				t.Error(err)
			}
		})
	}
}
