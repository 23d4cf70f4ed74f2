package setcheck_test

import (
	"io"
	"slices"
	"testing"

	"github.com/railiance/railiance/tools/internal/catalog"
	"github.com/railiance/railiance/tools/internal/setcheck"
	"github.com/railiance/railiance/tools/internal/store"
)

// An artifact that no set names is told of: it may be one that somebody planted,
// or what is left of a set whose manifest was taken away.
func TestStrangers(t *testing.T) {
	dir, err := store.MakeDir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"vm-100-20261121T020000Z.vma.zst.age", "vm-100-20261122T020000Z.vma.zst.age", "RESTORE.md", "manifest-20261121T020000Z.json"} {
		if err := dir.Put(t.Context(), name, func(w io.Writer) error { _, err := w.Write([]byte("x")); return err }); err != nil {
			t.Fatal(err)
		}
	}
	set := catalog.Set{Manifest: &catalog.Manifest{Artifacts: []catalog.Artifact{{Name: "vm-100-20261121T020000Z.vma.zst.age"}}}}
	strangers, err := setcheck.Strangers(t.Context(), dir, []catalog.Set{set})
	if want := []string{"vm-100-20261122T020000Z.vma.zst.age"}; err != nil || !slices.Equal(strangers, want) {
		t.Errorf("%v, %v, want %v", strangers, err, want)
	}
}
