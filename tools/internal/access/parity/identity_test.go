package parity

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"
	"filippo.io/age/armor"
	sopsage "github.com/getsops/sops/v3/age"

	"github.com/railiance/railiance/tools/internal/access/identity"
)

// TestIdentities guards that a key which opens the secrets of a repository
// opens its backups too: where sops finds a key, so do we.
func TestIdentities(t *testing.T) {
	for name, place := range map[string]func(t *testing.T, home, key string){
		"variable":        func(t *testing.T, _, key string) { t.Setenv("SOPS_AGE_KEY", key) },
		"variable, two":   func(t *testing.T, _, key string) { t.Setenv("SOPS_AGE_KEY", other(t)+" "+key) },
		"variable, lines": func(t *testing.T, _, key string) { t.Setenv("SOPS_AGE_KEY", "# mine\n"+key+"\n\n") },
		"file": func(t *testing.T, home, key string) {
			t.Setenv("SOPS_AGE_KEY_FILE", put(t, filepath.Join(home, "k"), key))
		},
		"file, two": func(t *testing.T, home, key string) {
			t.Setenv("SOPS_AGE_KEY_FILE", put(t, filepath.Join(home, "k"), other(t)+"\n"+key))
		},
		"file, CRLF": func(t *testing.T, home, key string) {
			t.Setenv("SOPS_AGE_KEY_FILE", put(t, filepath.Join(home, "k"), "# x\r\n"+key+"\r\n"))
		},
		"command": func(t *testing.T, home, key string) {
			t.Setenv("SOPS_AGE_KEY_CMD", "cat "+put(t, filepath.Join(home, "k"), key))
		},
		"home": func(t *testing.T, home, key string) { put(t, filepath.Join(home, ".config/sops/age/keys.txt"), key) },
		"XDG_CONFIG_HOME": func(t *testing.T, home, key string) {
			t.Setenv("XDG_CONFIG_HOME", filepath.Join(home, "xdg"))
			put(t, filepath.Join(home, "xdg/sops/age/keys.txt"), key)
		},
		"past a broken one": func(t *testing.T, home, key string) {
			t.Setenv("SOPS_AGE_KEY_FILE", filepath.Join(home, "none"))
			put(t, filepath.Join(home, ".config/sops/age/keys.txt"), key)
		},
		"nowhere": func(*testing.T, string, string) {},
	} {
		t.Run(name, func(t *testing.T) {
			home := t.TempDir()
			t.Setenv("HOME", home)
			for _, v := range []string{"SOPS_AGE_KEY", "SOPS_AGE_KEY_FILE", "SOPS_AGE_KEY_CMD", "XDG_CONFIG_HOME", "SOPS_AGE_SSH_PRIVATE_KEY_FILE", "SOPS_AGE_SSH_PRIVATE_KEY_CMD"} {
				t.Setenv(v, "") // so that it is put back in the end
				os.Unsetenv(v)
			}
			id, err := age.GenerateX25519Identity()
			if err != nil {
				t.Fatal(err)
			}
			place(t, home, id.String())
			sealed := seal(t, id.Recipient())

			theirs, theirErr := (&sopsage.MasterKey{Recipient: id.Recipient().String(), EncryptedKey: sealed}).Decrypt()
			found, ourErr := identity.Load(os.Getenv, home, cat)
			if (theirErr == nil) != (ourErr == nil) {
				t.Fatalf("ours %v, theirs %v", ourErr, theirErr)
			}
			if (ourErr == nil) == (name == "nowhere") {
				t.Fatal(ourErr)
			}
			if ourErr != nil {
				return
			}
			r, err := age.Decrypt(armor.NewReader(strings.NewReader(sealed)), found.Identities...)
			if err != nil {
				t.Fatalf("from %q, %q: %v", found.From, found.Warnings, err)
			}
			if ours, err := io.ReadAll(r); err != nil || !bytes.Equal(ours, theirs) || len(ours) == 0 {
				t.Errorf("got %q, %v; sops %q", ours, err, theirs)
			}
		})
	}
}

func cat(cmd string) ([]byte, error) { return os.ReadFile(strings.TrimPrefix(cmd, "cat ")) }

func other(t *testing.T) string {
	t.Helper()
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	return id.String()
}

func put(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func seal(t *testing.T, to age.Recipient) string {
	t.Helper()
	var b strings.Builder
	a := armor.NewWriter(&b)
	w, err := age.Encrypt(a, to)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w, "a data key"); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}
