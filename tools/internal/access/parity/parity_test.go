// Package parity holds our reader of .sops.yaml against the one in sops, in
// a module of its own: linked into the tools, sops would bring 118 modules.
package parity

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"filippo.io/age"
	sopsage "github.com/getsops/sops/v3/age"
	"github.com/getsops/sops/v3/config"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/railiance/railiance/tools/internal/access"
)

// stricter lists every case that we refuse on purpose although sops takes
// it, and what would happen if we did not. A case missing here must agree.
var stricter = map[string]string{
	"commas-only":          "nobody could read the artifact",
	"empty-age":            "nobody could read the artifact",
	"empty-file":           "sops looks for keys elsewhere, in flags and variables",
	"empty-group":          "nobody could read the artifact",
	"empty-rule":           "nobody could read the artifact",
	"field-misspelt":       "the rule would match every path",
	"group-empty-item":     "a recipient that was meant may be missing",
	"group-field-misspelt": "the recipients of the misspelt field could not read",
	"groups-and-age":       "the recipients of the age field could not read",
	"mixed":                "age refuses the mix when it encrypts; sops encrypts to each key apart",
	"mixed-ssh":            "age refuses the mix when it encrypts; sops encrypts to each key apart",
	"no-rules":             "sops looks for keys elsewhere, in flags and variables",
	"only-pgp":             "nobody could read the artifact with age",
	"plugin":               "a scheduled backup cannot run a plugin",
	"rules-misspelt":       "sops looks for keys elsewhere, in flags and variables",
	"secret-as-field":      "a private key lies in the file",
	"shamir":               "one reader alone could open what two should open together",
	"two-documents":        "the rules of the second document are ignored",
	"two-folded":           "the second key is taken for a comment of the first",
	"two-lines":            "the second key is ignored",
}

// TestParity guards against a reader of ours that gives a path to other
// people than sops does.
func TestParity(t *testing.T) {
	keys := keyNames(t)
	files, err := filepath.Glob("../testdata/rules/*.txtar")
	if err != nil || len(files) < 60 {
		t.Fatalf("%d cases, %v", len(files), err)
	}
	used := map[string]bool{}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".txtar")
		t.Run(name, func(t *testing.T) {
			sopsYAML, path, verdict := readCase(t, file, keys)
			ours, ourErr := access.ForPath(sopsYAML, path)
			theirs, theirErr := config.LoadCreationRuleForFile(sopsYAML, path, nil)

			// What the case says of sops must be so.
			got := "accepts"
			switch {
			case theirErr != nil:
				got = "refuses"
			case theirs == nil:
				got = "nothing"
			case ourErr == nil:
				got = "same"
			}
			if got != verdict {
				t.Errorf("the case says that sops %s it, but it %s it: %v", verdict, got, theirErr)
			}

			_, listed := stricter[name]
			used[name] = true
			switch {
			case ourErr == nil && theirErr != nil:
				t.Errorf("we take what sops refuses: %v", theirErr)
			case ourErr != nil && theirErr == nil && !listed:
				t.Errorf("we refuse what sops takes, and it is not on the list: %v", ourErr)
			case listed && (ourErr == nil || theirErr != nil):
				t.Errorf("on the list but not stricter: ours %v, theirs %v", ourErr, theirErr)
			case ourErr == nil:
				if want := recipients(theirs); !slices.Equal(ours.Strings, want) {
					t.Errorf("got %q\nsops %q", ours.Strings, want)
				}
			}
		})
	}
	for name := range stricter {
		if !used[name] {
			t.Errorf("%s is on the list, but there is no such case", name)
		}
	}
}

// recipients are the age recipients of all groups, each once.
func recipients(c *config.Config) []string {
	var all []string
	for _, group := range c.KeyGroups {
		for _, key := range group {
			if k, ok := key.(*sopsage.MasterKey); ok && !slices.Contains(all, k.Recipient) {
				all = append(all, k.Recipient)
			}
		}
	}
	return all
}

func TestFind(t *testing.T) {
	root := t.TempDir()
	deep := filepath.Join(root, "a", "b", "c")
	if err := os.MkdirAll(deep, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{root, filepath.Join(root, "a", "b"), deep} {
		if err := os.WriteFile(filepath.Join(dir, ".sops.yaml"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		for _, from := range []string{root, filepath.Join(root, "a"), filepath.Join(root, "a", "b"), deep} {
			ours, ourErr := access.Find(from)
			theirs, theirErr := config.FindConfigFile(filepath.Join(from, "file"))
			if ours != theirs || ourErr != nil || theirErr != nil {
				t.Errorf("from %s: got %s, %v; sops %s, %v", from, ours, ourErr, theirs, theirErr)
			}
		}
	}
}

func readCase(t *testing.T, file string, keys map[string]string) (sopsYAML, path, verdict string) {
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
	sopsYAML = filepath.Join(dir, ".sops.yaml")
	if err := os.WriteFile(sopsYAML, []byte(section[".sops.yaml"]), 0o600); err != nil {
		t.Fatal(err)
	}
	path = strings.TrimSpace(section["path"])
	if !filepath.IsAbs(path) {
		path = filepath.Join(dir, path)
	}
	return sopsYAML, path, strings.TrimSpace(section["sops"])
}

func keyNames(t *testing.T) map[string]string {
	t.Helper()
	data, err := os.ReadFile("../testdata/keys.txt")
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
