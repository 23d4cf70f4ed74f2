package sopsfile

import (
	"errors"
	"fmt"
	"strings"

	"filippo.io/age"
	"github.com/getsops/sops/v3"
	"github.com/getsops/sops/v3/aes"
	sopsage "github.com/getsops/sops/v3/age"

	"github.com/railiance/railiance/tools/internal/shell"
	"github.com/railiance/railiance/tools/internal/tell"
)

const dataKeySize = 32 // bytes; AES-256

// dataKey is the key of the values, opened with any of the keys at hand.
// Whatever else than age keys the file names is left alone: it would be asked
// for over the network, at an address that the file gives.
func dataKey(m sops.Metadata, with []age.Identity) ([]byte, error) {
	if len(m.KeyGroups) > 1 {
		return nil, &shell.Usage{Err: tell.Hint(errors.New("it takes keys of several groups to open it"),
			"a command that starts by itself has one key: encrypt it to one group")}
	}
	known := false
	for _, group := range m.KeyGroups {
		for _, key := range group {
			to, ok := key.(*sopsage.MasterKey)
			if !ok {
				continue
			}
			known = true
			if len(with) == 0 {
				continue // else sops would look for keys itself
			}
			sopsage.ParsedIdentities(with).ApplyToMasterKey(to)
			if opened, err := to.Decrypt(); err == nil && len(opened) == dataKeySize {
				return opened, nil
			}
		}
	}
	to := strings.Join(recipients(m), ", ")
	if !known {
		return nil, &shell.Usage{Err: tell.Hint(fmt.Errorf("it is encrypted to no age key, but to %s", to), "add one to its rule in .sops.yaml, then `sops updatekeys` it")}
	}
	return nil, tell.Hint(fmt.Errorf("none of the private keys at hand opens it; it is encrypted to %s", to),
		"keys are looked for in SOPS_AGE_KEY, SOPS_AGE_KEY_FILE, SOPS_AGE_KEY_CMD, sops/age/keys.txt below ~/.config, "+
			"SOPS_AGE_SSH_PRIVATE_KEY_FILE, SOPS_AGE_SSH_PRIVATE_KEY_CMD and ~/.ssh")
}

// failing is sops's cipher, which remembers where it failed: the errors of sops
// do not tell, and quote what is there.
type failing struct {
	aes.Cipher
	at    string // "NAME:"
	plain bool
}

func newCipher() *failing { return &failing{Cipher: aes.NewCipher()} }

// Decrypt is aes.Cipher's. at is the path of the value, with a colon after each
// of its names.
func (f *failing) Decrypt(text string, key []byte, at string) (any, error) {
	value, err := f.Cipher.Decrypt(text, key, at)
	if err != nil {
		f.at, f.plain = at, !strings.HasPrefix(text, "ENC[")
		return nil, errors.New("cannot be decrypted")
	}
	return value, nil
}

// why is why the values could not be decrypted.
func (f *failing) why() error {
	name := shown(strings.TrimSuffix(f.at, ":"))
	switch {
	case f.at == "":
		return errors.New("a value is in plaintext although the file is encrypted: sops writes no such number or truth value")
	case f.plain:
		return tell.Hint(fmt.Errorf("%s: in plaintext although the file is encrypted", name),
			"whoever sees the file has the value: change it, and put the new one in with `sops edit`")
	}
	return tell.Hint(fmt.Errorf("%s: damaged: it cannot be decrypted", name), "take the file from the repository again; values are renamed with `sops edit`")
}
