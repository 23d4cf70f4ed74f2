package catalog

import (
	"context"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/railiance/railiance/tools/internal/store"
)

// noting is a store that keeps the names that were removed, in order.
type noting struct {
	store.Store
	removed []string
}

func (n *noting) Remove(ctx context.Context, name string) error {
	n.removed = append(n.removed, name)
	return n.Store.Remove(ctx, name)
}

// A set that goes stops being one first: were it cut off in between, a signed
// set without its artifacts would look like theft, or like a backup.
func TestASetGoesSignatureFirst(t *testing.T) {
	at := time.Date(2026, 11, 21, 2, 0, 0, 0, time.UTC)
	m := &Manifest{Time: at, Artifacts: []Artifact{{Name: ArtifactName("vm-100", at, "vma.zst")}}}
	want := []string{m.Name() + SignatureSuffix, m.Name(), m.Artifacts[0].Name}
	dir, err := store.MakeDir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range want {
		if err := dir.Put(t.Context(), name, func(w io.Writer) error { _, err := w.Write([]byte("x")); return err }); err != nil {
			t.Fatal(err)
		}
	}
	s := &noting{Store: dir}
	if err := Remove(t.Context(), s, m); err != nil || !slices.Equal(s.removed, want) {
		t.Errorf("removed %v, not %v: %v", s.removed, want, err)
	}
}
