package sopsfile_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"filippo.io/age"

	"github.com/railiance/railiance/tools/cmd/railiance-secrets/sopsfile"
)

// Whatever a file holds, it ends soon and tells no secret.
func FuzzOpen(f *testing.F) {
	key := newKey(f)
	kinds := []string{"f.yaml", "f.json", "f.env"}
	for i, plain := range []string{"ONE: " + canary + "\n# comment\nTWO: 1\n", `{"ONE": "` + canary + `", "N": 1.5}`, "ONE=" + canary + "\n"} {
		good := seal(f, kinds[i], plain, key, nil)
		f.Add(byte(i), good)
		f.Add(byte(i), plain)
		f.Add(byte(i), good[:len(good)/2])
	}
	f.Fuzz(func(t *testing.T, kind byte, text string) {
		path := filepath.Join(t.TempDir(), kinds[int(kind)%len(kinds)])
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		values, err := sopsfile.Open(path, []age.Identity{key})
		if err != nil && (values != nil || strings.Contains(told(err), canary)) {
			t.Errorf("%d values, %q", len(values), told(err))
		}
		if took := time.Since(begin); took > 5*time.Second {
			t.Errorf("it took %s", took)
		}
	})
}
