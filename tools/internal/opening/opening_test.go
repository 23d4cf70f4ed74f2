package opening

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"
	"strings"
	"testing"

	"filippo.io/age"

	"github.com/railiance/railiance/tools/internal/asset"
	"github.com/railiance/railiance/tools/internal/catalog"
	"github.com/railiance/railiance/tools/internal/store"
	"github.com/railiance/railiance/tools/internal/tell"
)

func recorded(t *testing.T) []byte {
	t.Helper()
	b, err := os.ReadFile("../kubeconfig/testdata/files/good-remote.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// put stores b, encrypted to key, as a kubeconfig.
func put(t *testing.T, b []byte, key *age.X25519Identity) (*store.Dir, catalog.Artifact) {
	t.Helper()
	var sealed bytes.Buffer
	w, err := age.Encrypt(&sealed, key.Recipient())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	dir, err := store.MakeDir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(sealed.Bytes())
	a := catalog.Artifact{
		Name: "kubeconfig-20261121T120000Z.yaml.age", Asset: "kubeconfig", Kind: asset.KindKubeconfig,
		Size: int64(sealed.Len()), SHA256: hex.EncodeToString(sum[:]), Recipients: []string{key.Recipient().String()},
		Contents: catalog.Contents{"clusters": 1, "contexts": 1, "users": 1},
	}
	err = dir.Put(context.Background(), a.Name, func(w io.Writer) error {
		_, err := w.Write(sealed.Bytes())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return dir, a
}

func generate(t *testing.T) *age.X25519Identity {
	t.Helper()
	key, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestArtifact(t *testing.T) {
	key := generate(t)
	for name, c := range map[string]struct {
		dump []byte
		key  *age.X25519Identity
		tell func(*catalog.Artifact)
		want string
	}{
		"what was saved":          {dump: recorded(t)},
		"a stranger's key":        {dump: recorded(t), key: generate(t), want: "none of the private keys at hand opens it"},
		"another than was signed": {dump: recorded(t), tell: func(a *catalog.Artifact) { a.SHA256 = strings.Repeat("0", 64) }, want: "altered: its bytes are not the ones that were signed"},
		"shorter than was signed": {dump: recorded(t), tell: func(a *catalog.Artifact) { a.Size -= 10 }, want: "altered"},
		"what is no kubeconfig":   {dump: []byte("kind: Pod\n"), want: "kubeconfig-20261121T120000Z.yaml.age: "},
		"less than was counted":   {dump: recorded(t), tell: func(a *catalog.Artifact) { a.Contents["users"] = 2 }, want: "it does not hold what was saved: [users: 1, not 2]"},
		"more than was counted":   {dump: recorded(t), tell: func(a *catalog.Artifact) { delete(a.Contents, "users") }, want: "[users: 1, not 0]"},
		"a kind of tomorrow":      {dump: recorded(t), tell: func(a *catalog.Artifact) { a.Kind = "quantum" }, want: `kind "quantum" is not known here`},
	} {
		t.Run(name, func(t *testing.T) {
			dir, a := put(t, c.dump, key)
			if c.tell != nil {
				c.tell(&a)
			}
			with := key
			if c.key != nil {
				with = c.key
			}
			into, err := InMemory("test")
			if err != nil {
				t.Fatal(err)
			}
			defer into.Close()
			err = Artifact(context.Background(), dir, a, []age.Identity{with}, into)
			if c.want != "" {
				if err == nil || !strings.Contains(err.Error(), c.want) {
					t.Errorf("%v, want %q", err, c.want)
				}
				if c.key != nil && (len(tell.Hints(err)) != 1 || !strings.Contains(tell.Hints(err)[0], a.Recipients[0])) {
					t.Errorf("the hint does not say for whom it is: %q", tell.Hints(err))
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if b, err := io.ReadAll(into); err != nil || !bytes.Equal(b, c.dump) {
				t.Errorf("%d bytes, %v", len(b), err)
			}
		})
	}
}

// What lies in memory has no name that outlives it.
func TestInMemoryLeavesNothing(t *testing.T) {
	f, err := InMemory("secret")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if path, err := os.Readlink(f.Name()); err != nil || !strings.HasPrefix(path, "/memfd:") {
		t.Errorf("%s, %v", path, err)
	}
}
