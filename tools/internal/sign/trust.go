package sign

import (
	"bytes"
	"cmp"
	"crypto/rsa"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/hiddeco/sshsig"
	"golang.org/x/crypto/ssh"
)

// Why a signature is not accepted. A caller may tell them apart with
// errors.Is; the text around them says what a person can do.
var (
	ErrNoSignature   = errors.New("not a signature")
	ErrUnknownSigner = errors.New("unknown signer")
	ErrNamespace     = errors.New("wrong namespace")
	ErrChanged       = errors.New("message changed")
	ErrExpired       = errors.New("key not valid at that time")
)

const (
	maxTrustSize     = 1 << 20
	maxSignatureSize = 1 << 14
)

// Trust is who may sign. It never changes after it was loaded.
type Trust struct {
	file    string
	signers []signer
}

// Signed is who signed.
type Signed struct {
	Principal   string // as the allowed_signers file names the key's owner
	Fingerprint string
}

// LoadTrust reads an allowed_signers file. One line that OpenSSH or we would
// not understand makes the whole file an error, with its line, since it may
// have been meant to restrict. Only keys that stand there count: certificate
// authorities are refused.
func LoadTrust(allowedSigners string) (*Trust, error) {
	data, err := readTrust(allowedSigners)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w; `make trust` adds this machine's key after it has shown the fingerprint", err)
	}
	if err != nil {
		return nil, err
	}
	signers, err := parseSigners(allowedSigners, data)
	if err != nil {
		return nil, err
	}
	return &Trust{allowedSigners, signers}, nil
}

func readTrust(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: not a regular file", path)
	}
	if mode := info.Mode().Perm(); mode&0o002 != 0 {
		return nil, fmt.Errorf("%s: anybody on this machine may add a signer to it (mode %#o); check its lines, then chmod o-w it", path, mode)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxTrustSize+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxTrustSize {
		return nil, fmt.Errorf("%s: larger than %d bytes, so this is no allowed_signers file", path, maxTrustSize)
	}
	return data, nil
}

// Verify checks that sig, the content of a .sig file, signs exactly message,
// for Namespace, with a key that is trusted and valid at the time at.
func (t *Trust) Verify(message, sig []byte, at time.Time) (Signed, error) {
	s, err := parseSignature(sig)
	if err != nil {
		return Signed{}, err
	}
	fingerprint := ssh.FingerprintSHA256(s.PublicKey)
	if s.Namespace != Namespace {
		return Signed{}, fmt.Errorf("%w: the signature is for %.64q and not for %q: it was made for something else", ErrNamespace, s.Namespace, Namespace)
	}
	who, err := t.find(s.PublicKey, at)
	if err != nil {
		return Signed{}, err
	}
	// The key checked with is the one from our file; the one in the
	// signature has only served to find it.
	if err := sshsig.Verify(bytes.NewReader(message), s, who.key, s.HashAlgorithm, Namespace); err != nil {
		return Signed{}, fmt.Errorf("%w: it is not what %s (%s) signed: %w", ErrChanged, who.principals, fingerprint, err)
	}
	return Signed{who.principals, fingerprint}, nil
}

// find returns the line that trusts key now. A key may stand in several; the
// error of the last that has it is the most telling one.
func (t *Trust) find(key ssh.PublicKey, at time.Time) (*signer, error) {
	fingerprint := ssh.FingerprintSHA256(key)
	why := fmt.Errorf("%w: %s is not in %s; if that is what `ssh-keygen -lf` says of the signing machine's key, read there and not here, "+
		"`make trust` adds it", ErrUnknownSigner, fingerprint, cmp.Or(t.file, "an allowed_signers"))
	wire := key.Marshal()
	for i := range t.signers {
		s := &t.signers[i]
		if !bytes.Equal(s.key.Marshal(), wire) {
			continue
		}
		err := s.allows(at)
		if err == nil {
			return s, nil
		}
		why = fmt.Errorf("%s:%d: %s: %w", t.file, s.line, fingerprint, err)
	}
	return nil, why
}

// parseSignature takes the armour off. It is as strict as OpenSSH and more:
// nothing may stand before or after, so two programs cannot see two
// signatures in one file.
func parseSignature(sig []byte) (*sshsig.Signature, error) {
	if len(sig) > maxSignatureSize {
		return nil, fmt.Errorf("%w: larger than %d bytes", ErrNoSignature, maxSignatureSize)
	}
	sig = bytes.TrimSpace(sig)
	block, rest := pem.Decode(sig)
	if block == nil || block.Type != sshsig.PEMType || len(rest) > 0 || len(block.Headers) > 0 ||
		!bytes.HasPrefix(sig, []byte("-----BEGIN "+sshsig.PEMType+"-----")) {
		return nil, fmt.Errorf("%w: the file is damaged, or was not made by ssh-keygen -Y sign or this program", ErrNoSignature)
	}
	s, err := sshsig.ParseSignature(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoSignature, err)
	}
	if len(s.Signature.Rest) > 0 {
		return nil, fmt.Errorf("%w: bytes follow after it", ErrNoSignature)
	}
	if err := usable(s.PublicKey); err != nil {
		return nil, fmt.Errorf("%w that counts here: %w", ErrNoSignature, err)
	}
	return s, nil
}

func rsaBits(key ssh.PublicKey) int {
	if k, ok := key.(ssh.CryptoPublicKey); ok {
		if r, ok := k.CryptoPublicKey().(*rsa.PublicKey); ok {
			return r.N.BitLen()
		}
	}
	return 0
}
