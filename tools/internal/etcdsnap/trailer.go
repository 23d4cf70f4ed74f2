package etcdsnap

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
)

// Trailer looks at a snapshot as it streams by: it is an io.Writer that is
// given the whole file and then tells, with Check, whether its last 32 bytes
// are the SHA-256 of the rest. It holds back 32 bytes and never fails a Write.
type Trailer struct {
	sum  hash.Hash
	tail [sha256.Size]byte // the last bytes written, not hashed yet
	held int
	size int64
}

// NewTrailer returns a Trailer that has seen nothing.
func NewTrailer() *Trailer { return &Trailer{sum: sha256.New()} }

func (t *Trailer) Write(p []byte) (int, error) {
	t.size += int64(len(p))
	written := len(p)
	// Everything but the last 32 bytes of tail+p is data.
	if surplus := t.held + len(p) - len(t.tail); surplus > 0 {
		old := min(surplus, t.held)
		t.sum.Write(t.tail[:old])
		t.held = copy(t.tail[:], t.tail[old:t.held])
		t.sum.Write(p[:surplus-old])
		p = p[surplus-old:]
	}
	t.held += copy(t.tail[t.held:], p)
	return written, nil
}

// Size returns how many bytes were written.
func (t *Trailer) Size() int64 { return t.size }

// Check returns nil when what was written ends in its own SHA-256. Otherwise
// the error says which of these it is: empty, too short, cut off, without
// trailer, or changed.
func (t *Trailer) Check() error {
	switch over := t.size % 512; {
	case t.size == 0:
		return errors.New("snapshot is empty")
	case t.size < 512+sha256.Size:
		return fmt.Errorf("snapshot is too short: %d bytes", t.size)
	case over == 0:
		// etcd appends the trailer last, pages are multiples of 512.
		return fmt.Errorf("snapshot has no SHA-256 trailer: it was cut off, or copied from a data directory (%d bytes)", t.size)
	case over != sha256.Size:
		return fmt.Errorf("snapshot was cut off: %d bytes, which is not a number of pages and a trailer", t.size)
	}
	if [sha256.Size]byte(t.sum.Sum(nil)) != t.tail {
		return errors.New("snapshot does not match its SHA-256 trailer: it was damaged or cut off")
	}
	return nil
}
