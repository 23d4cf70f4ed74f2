// Package seal turns a dump into an artifact while it streams by: checked,
// compressed, encrypted, measured.
//
// Nothing here can decrypt: a machine that seals must not be able to read what
// it sealed. The way back is package unseal.
package seal

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"

	"filippo.io/age"
	"github.com/klauspost/compress/gzip"
)

// A Stream writes all of something to w, or returns an error. After an error,
// what was written is worthless and must not be published.
type Stream func(w io.Writer) error

// Gzipped compresses s.
func (s Stream) Gzipped() Stream {
	return func(w io.Writer) error {
		z := gzip.NewWriter(w)
		if err := s(z); err != nil {
			return err
		}
		return z.Close()
	}
}

// Encrypted encrypts s with age to every one of the recipients.
func (s Stream) Encrypted(to ...age.Recipient) Stream {
	return func(w io.Writer) error {
		e, err := age.Encrypt(w, to...)
		if err != nil {
			return fmt.Errorf("encrypt: %w", err)
		}
		// age encrypts chunk by chunk inside Write: a stage of its own lets
		// reading and hashing the dump go on beside it.
		if err := s.beside(e); err != nil {
			return err
		}
		return e.Close()
	}
}

// Sum is the size in bytes and the SHA-256 (lower-case hex) of a stream.
type Sum struct {
	Size   int64
	SHA256 string
}

// Measured fills sum with what s wrote. Sum is untouched when s fails.
//
// Hashing and w are a stage of their own, beside what s does, and w is written
// to in large steps.
func (s Stream) Measured(sum *Sum) Stream {
	return func(w io.Writer) error {
		hash := sha256.New()
		size := &counter{}
		if err := s.beside(io.MultiWriter(w, hash, size)); err != nil {
			return err
		}
		*sum = Sum{Size: size.n, SHA256: hex.EncodeToString(hash.Sum(nil))}
		return nil
	}
}

type counter struct{ n int64 }

func (c *counter) Write(p []byte) (int, error) {
	c.n += int64(len(p))
	return len(p), nil
}
