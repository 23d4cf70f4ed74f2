package drill

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/railiance/railiance/tools/internal/asset"
	"github.com/railiance/railiance/tools/internal/catalog"
	"github.com/railiance/railiance/tools/internal/tell"
)

func sized(bytes int64) *Drill {
	return &Drill{Set: catalog.Set{Manifest: &catalog.Manifest{Artifacts: []catalog.Artifact{{Asset: "etcd", Kind: asset.KindEtcd, Size: bytes}}}}}
}

// Whoever fills the memory of a server that runs has done it harm.
func TestRoomRefusesWhatDoesNotFit(t *testing.T) {
	for name, boot := range map[string]bool{"boot": true, "contents": false} {
		_, err := sized(1 << 50).room(boot)
		if err == nil || !strings.Contains(err.Error(), "memory") || len(tell.Hints(err)) == 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
	d := sized(1 << 50)
	d.Scratch = t.TempDir()
	if _, err := d.room(false); err == nil || !strings.Contains(err.Error(), "free") {
		t.Errorf("on disk: %v", err)
	}
	if r, err := sized(1 << 10).room(false); err != nil {
		t.Errorf("a small one: %v, %v", r, err)
	}
}

// A drill that was killed leaves its folder on disk, with plaintext in it; the
// next one removes it, but not that of a drill that is being held.
func TestRoomSweeps(t *testing.T) {
	d := sized(1 << 10)
	d.Scratch = t.TempDir()
	dead := filepath.Join(d.Scratch, roomPrefix+"dead")
	other := filepath.Join(d.Scratch, "other")
	for _, dir := range []string{dead, other} {
		if err := os.MkdirAll(filepath.Join(dir, "data"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	living, err := d.room(false)
	if err != nil {
		t.Fatal(err)
	}
	second, err := d.room(false)
	if err != nil {
		t.Fatal(err)
	}
	f, err := second.file("etcd")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString("plaintext"); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]bool{dead: false, other: true, living.disk: true, second.disk: true} {
		if _, err := os.Stat(path); (err == nil) != want {
			t.Errorf("%s: %v", path, err)
		}
	}
	if names, err := os.ReadDir(second.disk); err != nil || len(names) != 0 {
		t.Errorf("plaintext has a name: %v, %v", names, err)
	}
	if info, err := os.Stat(second.disk); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	for _, r := range []*room{living, second} {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
	if left, err := os.ReadDir(d.Scratch); err != nil || len(left) != 1 {
		t.Errorf("left: %v, %v", left, err)
	}
}
