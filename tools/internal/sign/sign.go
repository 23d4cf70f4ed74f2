// Package sign makes and checks the ssh signatures under manifests: files
// that stock `ssh-keygen -Y verify -n railiance-manifest` accepts, made with
// a key that the machine has anyway.
//
// The one thing to know: a signature carries the key that made it, and that
// key proves nothing. Who may sign is pinned outside of the backup, in an
// allowed_signers file of OpenSSH's format; a Trust is that file, and there
// is no way to verify without one.
package sign

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/hiddeco/sshsig"
	"golang.org/x/crypto/ssh"
)

// Namespace is what a signature is for: one made for git, or for a file of
// somebody's own, is none for a manifest.
const Namespace = "railiance-manifest"

const maxKeySize = 1 << 16 // an RSA key of 16384 bits has 13 kB

// Signer signs with the key of one file.
type Signer struct{ key ssh.Signer }

// Load reads a private ssh key, as a rule /etc/ssh/ssh_host_ed25519_key. It
// takes ed25519, ecdsa and rsa keys without a passphrase that nobody but
// their owner may read; its errors say what to do about any other.
func Load(keyPath string) (*Signer, error) {
	data, err := readKey(keyPath)
	if err != nil {
		return nil, fmt.Errorf("signing key: %w", err)
	}
	key, err := ssh.ParsePrivateKey(data)
	clear(data)
	if locked := (*ssh.PassphraseMissingError)(nil); errors.As(err, &locked) {
		return nil, fmt.Errorf("signing key: %s: it has a passphrase, and a scheduled run has nobody to type it; "+
			"name a key without one, such as the host key /etc/ssh/ssh_host_ed25519_key", keyPath)
	}
	if err != nil {
		return nil, fmt.Errorf("signing key: %s: not a private ssh key that can be read; `ssh-keygen -y -f` on it tells more", keyPath)
	}
	if err := usable(key.PublicKey()); err != nil {
		return nil, fmt.Errorf("signing key: %s: %w", keyPath, err)
	}
	return &Signer{key}, nil
}

func readKey(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w; `ssh-keygen -A` makes the host keys of a machine that has none", err)
	}
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: not a regular file", path)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return nil, fmt.Errorf("%s: others than its owner may use it (mode %#o), so its signature would prove nothing; chmod 0600 it, "+
			"and replace the key if somebody may have read it", path, mode)
	}
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrPermission) {
		return nil, fmt.Errorf("%w; run as the owner of the key, which for a host key is root", err)
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxKeySize+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxKeySize {
		return nil, fmt.Errorf("%s: larger than %d bytes, so this is no key", path, maxKeySize)
	}
	return data, nil
}

// Sign returns the armoured signature of message, the content of a file
// that `ssh-keygen -Y verify -s` reads.
func (s *Signer) Sign(message []byte) (armored []byte, err error) {
	sig, err := sshsig.Sign(bytes.NewReader(message), s.key, sshsig.HashSHA512, Namespace)
	if err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	return sshsig.Armor(sig), nil
}

// PublicKey is the key that others must trust.
func (s *Signer) PublicKey() ssh.PublicKey { return s.key.PublicKey() }

// Fingerprint is the SHA-256 one, as `ssh-keygen -l` prints it.
func (s *Signer) Fingerprint() string { return ssh.FingerprintSHA256(s.key.PublicKey()) }

// usable refuses the keys whose signatures we would not accept: too weak,
// made by hardware whose touch we could not check, or certificates, which
// say that somebody else vouches.
func usable(key ssh.PublicKey) error {
	switch key.Type() {
	case ssh.KeyAlgoED25519, ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521:
		return nil
	case ssh.KeyAlgoRSA:
		const least = 2048
		if bits := rsaBits(key); bits < least {
			return fmt.Errorf("an rsa key of %d bits is too weak, %d are the least; use an ed25519 key", bits, least)
		}
		return nil
	}
	return fmt.Errorf("keys of type %s cannot sign manifests; use an ed25519 key", key.Type())
}
