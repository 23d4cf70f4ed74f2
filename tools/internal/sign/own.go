package sign

import (
	"slices"
	"time"

	"golang.org/x/crypto/ssh"
)

// And is trust in the signer's own key besides those of t, which may be nil: a
// machine knows what it signed itself, whatever others say of its key.
func (s *Signer) And(t *Trust) *Trust {
	own := &Trust{}
	if t != nil {
		*own = *t
	}
	own.signers = append(slices.Clone(own.signers), signer{principals: "*", key: s.PublicKey()})
	return own
}

// Trusts says whether a signature by key would be accepted at the time at.
func (t *Trust) Trusts(key ssh.PublicKey, at time.Time) bool {
	_, err := t.find(key, at)
	return err == nil
}
