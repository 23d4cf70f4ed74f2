// Package unseal is the way back from an artifact to a dump. Only restores and
// drills may import it: what backs up must not be able to read its backups.
package unseal

import (
	"errors"
	"fmt"
	"io"

	"filippo.io/age"
)

// ErrNoKey says that none of the identities at hand opens the artifact.
var ErrNoKey = errors.New("none of the private keys at hand opens it")

// Copy decrypts the artifact to w and returns the number of plaintext bytes.
//
// age authenticates chunk by chunk, so bytes reach w before a torn or altered
// end shows: w holds nothing to act on unless the error is nil.
func Copy(w io.Writer, artifact io.Reader, identities ...age.Identity) (int64, error) {
	r, err := Reader(artifact, identities...)
	if err != nil {
		return 0, err
	}
	n, err := io.Copy(w, r)
	if err != nil {
		return n, fmt.Errorf("decrypt: after %d bytes: %w", n, err)
	}
	return n, nil
}

// Reader decrypts as it is read. The plaintext is good only once Reader has
// returned io.EOF.
func Reader(artifact io.Reader, identities ...age.Identity) (io.Reader, error) {
	if len(identities) == 0 {
		return nil, ErrNoKey
	}
	r, err := age.Decrypt(artifact, identities...)
	var wrong *age.NoIdentityMatchError
	if errors.As(err, &wrong) {
		return nil, ErrNoKey
	}
	if err != nil {
		return nil, fmt.Errorf("decrypt: %w", err)
	}
	return r, nil
}
