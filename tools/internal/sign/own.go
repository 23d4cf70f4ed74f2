package sign

import "slices"

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
