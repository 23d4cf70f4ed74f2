package pvetest

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/crypto/ssh"
)

// makeKey makes a key pair without a passphrase, at path and path.pub. What is
// there is replaced.
func makeKey(path string) error {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	block, err := ssh.MarshalPrivateKey(private, filepath.Base(path))
	if err != nil {
		return err
	}
	key, err := ssh.NewPublicKey(public)
	if err != nil {
		return err
	}
	if err := write(path, pem.EncodeToMemory(block)); err != nil {
		return err
	}
	// ssh and sshd refuse a private key that others can read.
	if err := os.Chmod(path, 0o600); err != nil {
		return err
	}
	return write(path+".pub", ssh.MarshalAuthorizedKey(key))
}

// TrustHostKey puts the key that a node has by now into known_hosts.
func (w *World) TrustHostKey(node string) error {
	path := filepath.Join(w.Dir, "known_hosts")
	old, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	var b strings.Builder
	for line := range strings.Lines(string(old)) {
		if !strings.HasPrefix(line, node+" ") {
			b.WriteString(line)
		}
	}
	public, err := os.ReadFile(w.key(node) + ".pub")
	if err != nil {
		return err
	}
	fmt.Fprintf(&b, "%s %s", node, public)
	return write(path, []byte(b.String()))
}

// ChangeHostKey gives a node another host key, as a new machine or an attacker
// has; what is trusted stays.
func (w *World) ChangeHostKey(node string) error {
	if err := makeKey(w.key(node)); err != nil {
		return err
	}
	return w.StartNode(node)
}
