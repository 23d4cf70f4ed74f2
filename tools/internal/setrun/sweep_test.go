package setrun_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/railiance/railiance/tools/internal/catalog"
	"github.com/railiance/railiance/tools/internal/setrun"
	"github.com/railiance/railiance/tools/internal/store"
	"github.com/railiance/railiance/tools/internal/tell"
)

// A note names what a killed run was making. It may name a set that is whole:
// the run died just after it was signed, and today nobody can read it, or no
// key trusts it. Such a set stays, and so does one that somebody protects.
func TestWhatASweepTakes(t *testing.T) {
	at := time.Date(2026, 11, 21, 2, 0, 0, 0, time.UTC)
	manifest := catalog.ManifestName(at)
	artifact, about := catalog.ArtifactName("vm-100", at, "vma.zst"), catalog.ArtifactName("about", at, "json")
	other := catalog.ArtifactName("vm-100", at.Add(time.Second), "vma.zst")
	for name, test := range map[string]struct {
		there []string
		stay  []string
	}{
		"killed while it wrote":                  {[]string{artifact, other, "notes.txt"}, []string{other, "notes.txt"}},
		"killed before it signed":                {[]string{artifact, about, manifest, other}, []string{other}},
		"signed, and not read as a set just now": {[]string{artifact, about, manifest, manifest + catalog.SignatureSuffix}, []string{about, manifest, manifest + catalog.SignatureSuffix, artifact}},
		"protected by somebody":                  {[]string{artifact, manifest, manifest + catalog.ProtectedSuffix}, []string{manifest, manifest + catalog.ProtectedSuffix, artifact}},
	} {
		t.Run(name, func(t *testing.T) {
			dir, err := store.MakeDir(filepath.Join(t.TempDir(), "vm-100"))
			if err != nil {
				t.Fatal(err)
			}
			for _, name := range test.there {
				if err := os.WriteFile(filepath.Join(dir.Path(), name), []byte("x"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			state := t.TempDir()
			var said bytes.Buffer
			f := &setrun.Folder{
				Store: dir, Asset: "vm-100", Seen: filepath.Join(state, "seen"), Note: filepath.Join(state, "note"),
				Tell: &tell.Teller{W: &said}, Now: time.Now,
				Read:   func(context.Context) ([]catalog.Set, []catalog.Problem, error) { return nil, nil, nil },
				Drafts: func(context.Context) ([]string, error) { return nil, nil },
			}
			if err := f.Begin(at); err != nil {
				t.Fatal(err)
			}
			if clean, err := f.Open(t.Context()); err != nil || !clean {
				t.Fatal(clean, err, said.String())
			}
			left, err := dir.List(t.Context(), "")
			if err != nil {
				t.Fatal(err)
			}
			var names []string
			for _, e := range left {
				names = append(names, e.Name)
			}
			if !slices.Equal(names, slices.Sorted(slices.Values(test.stay))) {
				t.Errorf("%v stay, not %v: %s", names, test.stay, said.String())
			}
		})
	}
}
