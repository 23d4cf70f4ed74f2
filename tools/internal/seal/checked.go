package seal

import (
	"errors"
	"io"
)

// Checked runs check over the bytes of s as they pass and fails when check
// does. A dump that check rejects is still read to its end: else the child's
// "broken pipe" would hide the reason.
//
// The check has a goroutine of its own and reads the same memory that w is
// written from, at the same time: w has to be left to compress meanwhile.
func (s Stream) Checked(check func(io.Reader) error) Stream {
	return func(w io.Writer) error {
		both := &both{handover: newHandover(), w: w}
		verdict := make(chan error, 1)
		go func() {
			r := &reader{handover: both.handover}
			err := check(r)
			r.drain()
			verdict <- err
		}()
		err := s(both)
		if err == nil {
			err = both.flush()
		}
		both.end(err)
		said := <-verdict
		if err != nil && errors.Is(said, err) {
			return err // the check only met its end
		}
		return errors.Join(err, said)
	}
}

// both writes to w what it hands to the check, in large pieces: what comes from
// a pipe comes in small ones, and each of them would wake the check.
type both struct {
	*handover
	w io.Writer
}

func (b *both) Write(p []byte) (int, error) {
	written := 0
	for len(p) > 0 {
		n, whole := b.fill(p)
		p, written = p[n:], written+n
		if whole == nil {
			continue
		}
		if err := b.pass(whole); err != nil {
			return written, err
		}
	}
	return written, nil
}

// pass hands the piece over before it is written, so that the check begins. It
// is filled again only later and by this goroutine, so that w has it in peace.
func (b *both) pass(piece []byte) error {
	b.full <- piece
	_, err := b.w.Write(piece)
	return err
}

func (b *both) flush() error {
	if piece := b.rest(); piece != nil {
		return b.pass(piece)
	}
	return nil
}
