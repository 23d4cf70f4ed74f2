package guestbackup_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/railiance/railiance/tools/internal/catalog"
	"github.com/railiance/railiance/tools/internal/layertest"
	"github.com/railiance/railiance/tools/internal/pve"
	"github.com/railiance/railiance/tools/internal/store"
)

// victimVariable names the world in which a run is to be killed.
const victimVariable = "GUESTBACKUP_VICTIM"

// TestVictim is the run that others kill.
func TestVictim(t *testing.T) {
	dir := os.Getenv(victimVariable)
	if dir == "" {
		return // it is a program, and no test
	}
	w := newWorld(t, dir, "")
	w.add(pve.Guest{ID: 100})
	w.now = w.now.Add(48 * time.Hour)
	w.nights(t, 1)
}

// Wherever a run is killed, its older sets stay what they are, nothing looks
// complete that is not, and the next run needs nobody to clean up.
func TestKilledAnywhere(t *testing.T) {
	template := t.TempDir()
	w := newWorld(t, template, "")
	w.add(pve.Guest{ID: 100})
	w.nights(t, 2)
	step := 5
	if os.Getenv("MUST_RUN") != "" {
		step = 1
	}
	for n := 1; ; n += step {
		dir := filepath.Join(scratch(t), "world")
		if err := os.CopyFS(dir, os.DirFS(template)); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"host_key", "reader.txt"} {
			if err := os.Chmod(filepath.Join(dir, name), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestVictim$")
		cmd.Env = append(os.Environ(), victimVariable+"="+dir)
		at, err := layertest.Kill(cmd, n, false, dir)
		if err != nil {
			t.Fatal(err)
		}
		if at == "" {
			if n < 60 {
				t.Errorf("only %d changes were seen", n)
			}
			return
		}
		afterKill(t, dir, at)
	}
}

// scratch is a folder in memory where there is one: every fsync of a hundred
// runs would wait for the disk.
func scratch(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "railiance-test-*")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func afterKill(t *testing.T, dir, at string) {
	t.Helper()
	w := newWorld(t, dir, "")
	w.add(pve.Guest{ID: 100})
	sites := []string{"one", "two", "three"}
	for _, site := range sites {
		in, err := store.OpenDir(w.path("sites", site, "vm-100"))
		if err != nil {
			t.Fatal(err)
		}
		whole := 0
		for _, set := range w.trusted(t, site) {
			for _, a := range set.Artifacts {
				if err := catalog.VerifyArtifact(t.Context(), in, a); err != nil {
					t.Errorf("killed before %s: %s: %s: %v", at, site, a.Name, err)
				}
			}
			whole++
		}
		if whole < 2 {
			t.Errorf("killed before %s: %s: %d sets are left", at, site, whole)
		}
	}
	w.now = w.now.Add(49 * time.Hour)
	if _, err := w.backup(t); err != nil || strings.Contains(w.said.String(), "error") {
		t.Errorf("killed before %s: the next run: %v\n%s", at, err, w.said)
	}
	for _, site := range sites {
		if files := w.files(t, site, "vm-100"); len(files) != 8 || len(w.trusted(t, site)) != 2 {
			t.Errorf("killed before %s: %s holds %q\n%s", at, site, files, w.said)
		}
	}
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if strings.Contains(d.Name(), "draft") || strings.HasSuffix(d.Name(), ".run") {
			t.Errorf("killed before %s: %s is left", at, path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// trusted are the sets of guest 100 in a site; what a run left that was killed
// is none.
func (w *world) trusted(t *testing.T, site string) []catalog.Set {
	t.Helper()
	in, err := store.OpenDir(w.path("sites", site, "vm-100"))
	if err != nil {
		t.Fatal(err)
	}
	sets, _, err := catalog.Read(t.Context(), in, w.trust(t))
	if err != nil {
		t.Fatal(err)
	}
	return sets
}
