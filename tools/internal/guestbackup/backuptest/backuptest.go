// Package backuptest is what the tests of backups of guests and of nodes share:
// the keys of a layer, and looking at what came of a run.
package backuptest

import (
	"crypto/ed25519"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"
	"golang.org/x/crypto/ssh"
)

// Keys makes in dir what a layer there seals and signs with: host_key,
// allowed_signers, reader.txt with the private key that is returned, and a
// .sops.yaml that names its public half and another one, or finds them there.
func Keys(t *testing.T, dir string) *age.X25519Identity {
	t.Helper()
	path := filepath.Join(dir, "reader.txt")
	if b, err := os.ReadFile(path); err == nil {
		key, err := age.ParseX25519Identity(string(b))
		ok(t, err)
		return key
	}
	reader, err := age.GenerateX25519Identity()
	ok(t, err)
	other, err := age.GenerateX25519Identity()
	ok(t, err)
	public, private, err := ed25519.GenerateKey(nil)
	ok(t, err)
	block, err := ssh.MarshalPrivateKey(private, "")
	ok(t, err)
	signer, err := ssh.NewPublicKey(public)
	ok(t, err)
	for name, text := range map[string]string{
		path:                                  reader.String(),
		filepath.Join(dir, "host_key"):        string(pem.EncodeToMemory(block)),
		filepath.Join(dir, "allowed_signers"): "host " + string(ssh.MarshalAuthorizedKey(signer)),
		filepath.Join(dir, ".sops.yaml"):      fmt.Sprintf("creation_rules:\n  - age: %s,%s\n", reader.Recipient(), other.Recipient()),
	} {
		ok(t, os.WriteFile(name, []byte(text), 0o600))
	}
	return reader
}

// Files are the names of what lies in a folder; none, where there is no folder.
func Files(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// Tells fails the test where a part is not in the story.
func Tells(t *testing.T, story fmt.Stringer, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(story.String(), part) {
			t.Errorf("nothing tells %q in\n%s", part, story)
		}
	}
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
