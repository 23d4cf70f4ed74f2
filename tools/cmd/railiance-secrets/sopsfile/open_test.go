package sopsfile_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/getsops/sops/v3"
	sopsage "github.com/getsops/sops/v3/age"

	"github.com/railiance/railiance/tools/cmd/railiance-secrets/sealed"
	"github.com/railiance/railiance/tools/cmd/railiance-secrets/sopsfile"
	"github.com/railiance/railiance/tools/internal/shell"
	"github.com/railiance/railiance/tools/internal/tell"
)

// canary is part of every secret. Wherever it shows, a secret got out.
const canary = "c4n4ry"

func newKey(t testing.TB) *age.X25519Identity {
	t.Helper()
	key, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func seal(t testing.TB, name, plain string, key *age.X25519Identity, change func(*sops.Metadata)) string {
	t.Helper()
	cipher, err := sealed.File(name, []byte(plain), []string{key.Recipient().String()}, change)
	if err != nil {
		t.Fatal(err)
	}
	return string(cipher)
}

// swapped is text with the first match of pattern in another form.
func swapped(t testing.TB, text, pattern, by string) string {
	t.Helper()
	re := regexp.MustCompile(pattern)
	at := re.FindStringIndex(text)
	if at == nil {
		t.Fatalf("no %s in\n%s", pattern, text)
	}
	return text[:at[0]] + re.ReplaceAllString(text[at[0]:at[1]], by) + text[at[1]:]
}

// everything that a person or a log would get to see of an error.
func told(err error) string {
	return strings.Join(append([]string{err.Error()}, tell.Hints(err)...), "\n")
}

// Every file here is refused, with its name, a reason, and no secret; whether
// it is one of how the file was made shows in the exit status.
func TestRefused(t *testing.T) {
	key := newKey(t)
	yaml := func(plain string) string { return seal(t, "f.yaml", plain, key, nil) }
	json := func(plain string) string { return seal(t, "f.json", plain, key, nil) }
	good := yaml("ONE: " + canary + "\nTWO: " + canary + "2\nFREE_unencrypted: open\n")
	dotenv := seal(t, "f.env", "ONE="+canary+"\n", key, nil)
	var bomb strings.Builder
	for i := range 30 {
		fmt.Fprintf(&bomb, "A%d: &a%d [%s]\n", i, i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d,", max(0, i-1)), 9*min(1, i)), ","))
	}
	metadata := good[strings.Index(good, "sops:"):]

	for _, tt := range []struct {
		name, file, text, want string
		usage                  bool
	}{
		{"plain YAML", "f.yaml", "ONE: " + canary, "not encrypted: whoever can read", true},
		{"plain JSON", "f.json", `{"ONE": "` + canary + `"}`, "not encrypted", true},
		{"plain dotenv", "f.env", "ONE=" + canary + "\n", "not encrypted", true},
		{"plain and nested", "f.yaml", "ONE:\n  TWO: " + canary, "not encrypted", true},
		{"empty", "f.yaml", "", "not encrypted", true},
		{"empty JSON", "f.json", "", "line 1: not JSON", true},
		{"another ending", "f.txt", good, "what kind of file", true},

		{"half YAML", "f.yaml", good[:strings.Index(good, "ENC[")] + "'" + canary, "not YAML", true},
		{"YAML with a line", "f.yaml", "ONE: a\n\tTWO: " + canary, "line 2: not YAML", true},
		{"an alias of nothing", "f.yaml", "ONE: *" + canary, "not YAML", true},
		{"half JSON", "f.json", json(`{"ONE": "` + canary + `"}`)[:60], "line 2: not JSON", true},
		{"no dotenv", "f.env", dotenv + canary + "\n", "not NAME=value", true},
		{"sops's part cut off", "f.yaml", good[:strings.Index(good, "lastmodified")-4], "damaged: sops's part", false},
		{"sops's part is text", "f.yaml", "ONE: " + canary + "\nsops: " + canary, "", false},
		{"a list", "f.yaml", "- " + canary, "not names with values", true},
		{"a list in JSON", "f.json", `["` + canary + `"]`, "not names with values", true},
		{"several documents", "f.yaml", good + "---\nTHREE: " + canary, "several documents", true},
		{"a name twice", "f.yaml", swapped(t, good, "TWO:", "ONE:"), "line 2: ONE is there twice", true},
		{"a name twice in JSON", "f.json", swapped(t, json(`{"ONE": "`+canary+`", "TWO": "x"}`), `"TWO"`, `"ONE"`), "ONE is there twice", true},
		{"a name twice in dotenv", "f.env", dotenv + "ONE=" + canary + "\n", "ONE is there twice", true},
		{"a name that is no text", "f.yaml", "1: a\n" + good, "a name that is not text", true},
		{"a name that is a map", "f.yaml", "? {a: " + canary + "}\n: b\n" + good, "", true},

		{"nested", "f.yaml", yaml("S3:\n  SECRET: " + canary), "S3.SECRET: a value inside of a value", true},
		{"nested in JSON", "f.json", json(`{"S3": {"SECRET": "` + canary + `"}}`), "S3.SECRET: a value inside of a value", true},
		{"a list of values", "f.yaml", yaml("S3: [" + canary + "]"), "S3[0]: a value inside of a value", true},
		{"no value", "f.yaml", yaml("ONE: " + canary + "\nTWO:\n"), "TWO: it has no value", true},
		{"a date", "f.yaml", yaml("DAY: 2026-11-21\n"), "DAY: neither text nor a number", true},
		{"a number that lost digits", "f.yaml", yaml("ACCOUNT: 12345678901234567890123\n"), "ACCOUNT: a number that sops kept only approximately", true},
		{"no number", "f.yaml", yaml("N: .nan\n"), "approximately", true},
		{"too many", "f.env", seal(t, "f.env", strings.Repeat("#\n", 2000)+"A=b\n", key, nil), "at most 1000", true},

		{"a value in plaintext", "f.yaml", swapped(t, good, "ONE: ENC.*", "ONE: "+canary), "ONE: in plaintext although", false},
		{"a number in plaintext", "f.yaml", swapped(t, good, "ONE: ENC.*", "ONE: 1234"), "in plaintext although", false},
		{"a value in plaintext in dotenv", "f.env", "TWO=" + canary + "\n" + dotenv, "TWO: in plaintext although", false},
		{"a value of another name", "f.yaml", swapped(t, good, "ONE:", "THREE:"), "THREE: damaged", false},
		{"a changed value", "f.yaml", swapped(t, good, `data:(.)(.)`, "data:$2$1"), "ONE: damaged", false},
		{"a value taken away", "f.yaml", swapped(t, good, "TWO: .*\n", ""), "authentication code differs", false},
		{"an open value changed", "f.yaml", swapped(t, good, ": open", ": "+canary), "authentication code differs", false},
		{"an emptied value", "f.yaml", swapped(t, good, "ONE: .*", `ONE: ""`), "authentication code differs", false},
		{"no authentication code", "f.yaml", swapped(t, good, "mac: .*", `mac: ""`), "authentication code differs", false},
		{"an authentication code in plaintext", "f.yaml", swapped(t, good, "mac: .*", "mac: "+canary), "authentication code differs", false},
		{"another time", "f.yaml", swapped(t, good, "2026-11-21", "2026-11-20"), "authentication code differs", false},

		{"an alias bomb", "f.yaml", bomb.String() + metadata, "an anchor or alias", true},
		{"an alias of itself", "f.yaml", "A: &a {b: *a}\n" + metadata, "an anchor or alias", true},
		{"an alias of itself in a list", "f.yaml", "A: &a [*a]\n" + metadata, "an anchor or alias", true},
		{"deep JSON", "f.json", `{"a":` + strings.Repeat("[", 500000), "not JSON", true},
		{"deep JSON that ends", "f.json", `{"a":` + strings.Repeat("[", 200000) + strings.Repeat("]", 200000) + "}", "not JSON", true},
		{"deep YAML", "f.yaml", "a: " + strings.Repeat("[", 500000), "not YAML", true},
		{"deep dotenv", "f.env", dotenv + "sops_age__list_0__map_enc" + strings.Repeat("__map_a", 100000) + "=" + canary, "damaged", false},
		{"a list of a thousand million", "f.env", dotenv + "sops_age__list_999999999__map_enc=x\n", "damaged", false},
		{"many comments", "f.yaml", strings.Repeat("#"+canary+"\n", 100000) + good, "", false},
		{"control characters", "f.yaml", "\x1b[31m" + canary, "not YAML", true},
		{"a name with control characters", "f.yaml", yaml(`"\e[31mRED": {A: ` + canary + `}`), "RED", true},
		{"not text", "f.env", "ONE=\xff\xfe\x00" + canary, "not encrypted", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), tt.file)
			if err := os.WriteFile(path, []byte(tt.text), 0o600); err != nil {
				t.Fatal(err)
			}
			begin := time.Now()
			values, err := sopsfile.Open(path, []age.Identity{key})
			if took := time.Since(begin); took > 10*time.Second {
				t.Errorf("it took %s", took)
			}
			if err == nil {
				t.Fatalf("taken, with %d values", len(values))
			}
			got := told(err)
			if !strings.HasPrefix(got, path+": ") || !strings.Contains(got, tt.want) {
				t.Errorf("want %q in: %s", tt.want, got)
			}
			if strings.Contains(got, canary) || strings.ContainsAny(got, "\x1b\x00") || len(got) > 1000+len(path) {
				t.Errorf("it tells too much: %q", got)
			}
			var usage *shell.Usage
			if errors.As(err, &usage) != tt.usage && tt.want != "" {
				t.Errorf("usage is %v, not %v: %s", !tt.usage, tt.usage, got)
			}
		})
	}
}

// A file that names a key server is one that somebody else wrote, as far as we
// know: nothing may be sent there.
func TestOnlyKeysAtHand(t *testing.T) {
	key := newKey(t)
	for _, tt := range []struct {
		name   string
		change func(*sops.Metadata)
		with   []age.Identity
		want   string
	}{
		{"another key", nil, []age.Identity{newKey(t)}, "none of the private keys at hand opens it; it is encrypted to " + key.Recipient().String()},
		{"no key", nil, nil, "none of the private keys at hand"},
		{"groups", func(m *sops.Metadata) {
			m.KeyGroups = append(m.KeyGroups, sops.KeyGroup{&sopsage.MasterKey{Recipient: key.Recipient().String()}})
			m.ShamirThreshold = 2
		}, []age.Identity{key}, "keys of several groups"},
		{"a long rule", func(m *sops.Metadata) { m.UnencryptedSuffix, m.EncryptedRegex = "", strings.Repeat("x?", 5000) }, []age.Identity{key}, "the regular expression"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "f.yaml")
			// What sops itself would find must not count.
			t.Setenv("SOPS_AGE_KEY", key.String())
			if err := os.WriteFile(path, []byte(seal(t, path, "ONE: "+canary, key, tt.change)), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := sopsfile.Open(path, tt.with); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("want %q: %v", tt.want, err)
			}
		})
	}
}

func TestKeyServerIsNotAsked(t *testing.T) {
	asked := false
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked = true }))
	defer server.Close()
	t.Setenv("VAULT_TOKEN", canary)
	key := newKey(t)
	good := seal(t, "f.yaml", "ONE: "+canary, key, nil)
	vault := fmt.Sprintf("sops:\n    hc_vault:\n        - vault_address: %s\n          engine_path: transit\n          key_name: k\n          created_at: \"2026-11-21T02:00:00Z\"\n          enc: vault:v1:x\n", server.URL)

	for name, with := range map[string][]age.Identity{"mine": {key}, "another": {newKey(t)}} {
		path := filepath.Join(t.TempDir(), "f.yaml")
		if err := os.WriteFile(path, []byte(swapped(t, good, "sops:\n", vault)), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := sopsfile.Open(path, with)
		if (err == nil) != (name == "mine") {
			t.Errorf("%s: %v", name, err)
		}
		only := vault + good[strings.Index(good, "    lastmodified"):]
		if err := os.WriteFile(path, []byte(only), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := sopsfile.Open(path, with); err == nil || !strings.Contains(err.Error(), "encrypted to no age key, but to") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if asked {
		t.Error("the server that the file names was asked")
	}
}

// What is no file must not be waited for, and a large one not be read.
func TestNoFile(t *testing.T) {
	dir := t.TempDir()
	pipe, large := filepath.Join(dir, "pipe.yaml"), filepath.Join(dir, "large.yaml")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(large, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(large, 100<<20); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "dir.yaml"), 0o700); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		pipe:                            "not a file",
		large:                           "larger than 1.0 MiB",
		filepath.Join(dir, "dir.yaml"):  "not a file",
		filepath.Join(dir, "none.yaml"): "no such file or directory",
	} {
		_, err := sopsfile.Open(path, []age.Identity{newKey(t)})
		if err == nil || !strings.HasPrefix(err.Error(), path+": "+want) || strings.Count(err.Error(), path) != 1 {
			t.Errorf("want %q: %v", want, err)
		}
	}
}
