package access_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"filippo.io/age"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/railiance/railiance/tools/internal/access"
)

// TestCases guards who can read the backups: each file below testdata/rules
// is a .sops.yaml, a path, and the recipients or the refusal that must come
// of it. The parity module holds the same files against sops.
func TestCases(t *testing.T) {
	keys := keyNames(t)
	files, err := filepath.Glob("testdata/rules/*.txtar")
	if err != nil || len(files) < 60 {
		t.Fatalf("%d cases, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			c := readCase(t, file, keys)
			got, err := access.ForPath(c.sopsYAML, c.path)
			for _, want := range strings.Split(c.want, "\n") {
				kind, text, _ := strings.Cut(want, " ")
				switch kind {
				case "error":
					if err == nil || !strings.Contains(err.Error(), text) {
						t.Fatalf("got %v and %v, want error %q", got.Strings, err, text)
					}
					notShown(t, err.Error(), keys)
					return
				case "rule":
					if err != nil {
						t.Fatal(err)
					}
					if got.Rule != text || got.File != c.sopsYAML {
						t.Errorf("got %s of %s, want %s", got.Rule, got.File, text)
					}
				case "warning":
					if len(got.Warnings) != 1 || !strings.Contains(got.Warnings[0], text) {
						t.Errorf("got warnings %q, want %q", got.Warnings, text)
					}
				}
			}
			if want := c.recipients(); !slices.Equal(got.Strings, want) {
				t.Errorf("got %q\nwant %q", got.Strings, want)
			}
			if !strings.Contains(c.want, "\nwarning ") && len(got.Warnings) > 0 {
				t.Errorf("warnings %q", got.Warnings)
			}
			if got.PostQuantum != strings.HasPrefix(got.Strings[0], "age1pq1") {
				t.Errorf("post-quantum is %t for %.10s", got.PostQuantum, got.Strings[0])
			}
			encrypts(t, got)
		})
	}
}

// encrypts shows that age takes the recipients together, all of them.
func encrypts(t *testing.T, r access.Recipients) {
	t.Helper()
	var b strings.Builder
	w, err := age.Encrypt(&b, r.List...)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(b.String(), "\n-> "); n != len(r.Strings) {
		t.Errorf("%d stanzas for %d recipients", n, len(r.Strings))
	}
}

// notShown looks for pieces of private keys, of any case.
func notShown(t *testing.T, text string, keys map[string]string) {
	t.Helper()
	text = strings.ToUpper(text)
	for _, name := range []string{"secret", "secretpq"} {
		body := keys[name][strings.LastIndex(keys[name], "-1")+2:]
		for i := 0; i+6 <= len(body); i++ {
			if strings.Contains(text, body[i:i+6]) {
				t.Fatalf("a private key shows: %s", text)
			}
		}
	}
	if strings.Contains(text, "B3BLBNNZ") {
		t.Fatalf("a private key shows: %s", text)
	}
}

type testCase struct{ sopsYAML, path, want string }

func (c testCase) recipients() []string {
	var all []string
	for _, line := range strings.Split(c.want, "\n") {
		if strings.HasPrefix(line, "age1") || strings.HasPrefix(line, "ssh-") {
			all = append(all, line)
		}
	}
	return all
}

func readCase(t *testing.T, file string, keys map[string]string) testCase {
	t.Helper()
	a, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	section := map[string]string{}
	for _, f := range a.Files {
		text := string(f.Data)
		for name, key := range keys {
			text = strings.ReplaceAll(text, "{"+name+"}", key)
		}
		section[f.Name] = text
	}
	dir := t.TempDir()
	c := testCase{sopsYAML: filepath.Join(dir, ".sops.yaml"), path: strings.TrimSpace(section["path"]), want: strings.TrimSpace(section["want"])}
	if !filepath.IsAbs(c.path) {
		c.path = filepath.Join(dir, c.path)
	}
	if err := os.WriteFile(c.sopsYAML, []byte(section[".sops.yaml"]), 0o600); err != nil {
		t.Fatal(err)
	}
	return c
}

// keyNames are the public keys of testdata and private ones made on the
// spot, so that none of these lies in the repository.
func keyNames(t testing.TB) map[string]string {
	t.Helper()
	data, err := os.ReadFile("testdata/keys.txt")
	if err != nil {
		t.Fatal(err)
	}
	keys := map[string]string{}
	for line := range strings.Lines(string(data)) {
		if name, key, ok := strings.Cut(strings.TrimSpace(line), " "); ok && name != "#" {
			keys[name] = key
		}
	}
	classic, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	hybrid, err := age.GenerateHybridIdentity()
	if err != nil {
		t.Fatal(err)
	}
	keys["secret"] = classic.String()
	keys["secretlower"] = strings.ToLower(classic.String())
	keys["secretpq"] = hybrid.String()
	return keys
}
