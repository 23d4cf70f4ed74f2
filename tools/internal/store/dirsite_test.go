package store_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/railiance/railiance/tools/internal/store"
	"github.com/railiance/railiance/tools/internal/store/storetest"
	"github.com/railiance/railiance/tools/internal/tell"
)

const marker = ".this-is-the-nas"

// nas is a folder as it looks while the disk is mounted.
func nas(t *testing.T) (*store.DirSite, string) {
	t.Helper()
	path := t.TempDir()
	if err := os.WriteFile(filepath.Join(path, marker), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	return store.NewDirSite(path, marker), path
}

func TestDirSite(t *testing.T) {
	storetest.RunSite(t, func(t *testing.T) store.Site { return store.NewDirSite(t.TempDir(), "") })
}

func TestNAS(t *testing.T) {
	storetest.RunSite(t, func(t *testing.T) store.Site { s, _ := nas(t); return s })
}

// Without its marker the folder is the empty place below a mount: no deed may
// write there, and none may take it for a store without artifacts.
func TestNotMounted(t *testing.T) {
	for name, away := range map[string]func(t *testing.T, path string){
		"the marker is gone": func(t *testing.T, path string) {
			if err := os.Remove(filepath.Join(path, marker)); err != nil {
				t.Fatal(err)
			}
		},
		"the marker is a link": func(t *testing.T, path string) {
			if err := errors.Join(os.Remove(filepath.Join(path, marker)), os.Symlink("/etc/passwd", filepath.Join(path, marker))); err != nil {
				t.Fatal(err)
			}
		},
		"the folder is gone": func(t *testing.T, path string) {
			if err := os.RemoveAll(path); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, path := nas(t)
			ctx := context.Background()
			st, err := s.Store(ctx, "vm-1")
			if err != nil {
				t.Fatal(err)
			}
			if err := st.Put(ctx, "a", write("kept")); err != nil {
				t.Fatal(err)
			}
			away(t, path)
			_, openErr := st.Open(ctx, "a")
			_, listErr := st.List(ctx, "")
			_, namesErr := s.Names(ctx)
			_, sweepErr := s.Sweep(ctx, "vm-1")
			other, err := s.Store(ctx, "vm-2")
			if err != nil {
				t.Fatal(err)
			}
			for deed, err := range map[string]error{
				"open": openErr, "list": listErr, "names": namesErr, "sweep": sweepErr, "check": s.Check(ctx, 0),
				"put": st.Put(ctx, "b", write("x")), "put elsewhere": other.Put(ctx, "b", write("x")), "remove": st.Remove(ctx, "a"),
			} {
				if err == nil || errors.Is(err, fs.ErrNotExist) {
					t.Errorf("%s: %v, want an error that is not of a file", deed, err)
				}
				if hints := tell.Hints(err); len(hints) != 1 || !strings.Contains(hints[0], "mount the disk") {
					t.Errorf("%s: hints %q", deed, hints)
				}
			}
			left, err := os.ReadDir(path)
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				t.Fatal(err)
			}
			for _, file := range left {
				if file.Name() != "vm-1" && file.Name() != marker {
					t.Errorf("%s was made", file.Name())
				}
			}
		})
	}
}

func TestNoRoom(t *testing.T) {
	s, _ := nas(t)
	err := s.Check(context.Background(), 1<<60)
	if err == nil || !strings.Contains(err.Error(), "are needed") || len(tell.Hints(err)) == 0 {
		t.Errorf("%v", err)
	}
}

// A killed run's drafts go, those that a check left too; nothing else does.
func TestSiteSweep(t *testing.T) {
	s, path := nas(t)
	ctx := context.Background()
	st, err := s.Store(ctx, "vm-1")
	if err != nil {
		t.Fatal(err)
	}
	if err := st.Put(ctx, "a", write("kept")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"vm-1/.draft-b-1", ".draft-check-1", "mine"} {
		if err := os.WriteFile(filepath.Join(path, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if swept, err := s.Sweep(ctx, "vm-1"); err != nil || !slices.Equal(swept, []string{".draft-b-1"}) {
		t.Errorf("%q, %v", swept, err)
	}
	for name, want := range map[string]bool{"vm-1/.draft-b-1": false, ".draft-check-1": false, "mine": true, marker: true, "vm-1/a": true} {
		if _, err := os.Lstat(filepath.Join(path, name)); (err == nil) != want {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Somebody who can write to the folder must not lead a backup elsewhere.
func TestStoreThatIsALink(t *testing.T) {
	s, path := nas(t)
	out := t.TempDir()
	if err := os.Symlink(out, filepath.Join(path, "vm-1")); err != nil {
		t.Fatal(err)
	}
	st, err := s.Store(context.Background(), "vm-1")
	if err != nil {
		t.Fatal(err)
	}
	if err := st.Put(context.Background(), "a", write("x")); err == nil {
		t.Error("it was followed")
	}
	if left, err := os.ReadDir(out); err != nil || len(left) > 0 {
		t.Errorf("%v, %v", left, err)
	}
}
