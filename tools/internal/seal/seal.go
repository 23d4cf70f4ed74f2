// Package seal turns a dump into an artifact while it streams by: checked,
// compressed, encrypted, measured.
//
// Nothing here can decrypt: a machine that seals must not be able to read what
// it sealed. The way back is package unseal.
package seal

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	"filippo.io/age"
	"github.com/klauspost/compress/gzip"
)

// A Stream writes all of something to w, or returns an error. After an error,
// what was written is worthless and must not be published.
type Stream func(w io.Writer) error

// Checked runs check over the bytes of s as they pass and fails when check
// does. A dump that check rejects is still read to its end: else the child's
// "broken pipe" would hide the reason.
func (s Stream) Checked(check func(io.Reader) error) Stream {
	return func(w io.Writer) error {
		r, tee := io.Pipe()
		verdict := make(chan error, 1)
		go func() {
			err := check(r)
			_, _ = io.Copy(io.Discard, r)
			verdict <- err
		}()
		// What comes from a pipe comes in small pieces, and each of them would
		// wake the check.
		both := bufio.NewWriterSize(io.MultiWriter(w, tee), besideBuffer)
		err := s(both)
		if err == nil {
			err = both.Flush()
		}
		tee.CloseWithError(err)
		said := <-verdict
		if err != nil && errors.Is(said, err) {
			return err // the check only met its end
		}
		return errors.Join(err, said)
	}
}

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
		stage := Beside(e)
		if err := errors.Join(s(stage), stage.Close()); err != nil {
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
		stage := Beside(io.MultiWriter(w, hash, size))
		if err := errors.Join(s(stage), stage.Close()); err != nil {
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
