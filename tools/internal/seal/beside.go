package seal

import (
	"errors"
	"io"
	"sync/atomic"
)

// Beside returns a writer that hands what it is given to w in a goroutine of
// its own, in order, through a few buffers of fixed size. An error of w shows
// at a later Write, and at the latest at Close, which waits for w.
func Beside(w io.Writer) io.WriteCloser {
	b := &beside{handover: newHandover(), done: make(chan struct{})}
	go b.pass(w)
	return b
}

type beside struct {
	*handover
	done   chan struct{}
	lost   error // read after done is closed, or after failed
	failed atomic.Bool
}

func (b *beside) pass(w io.Writer) {
	defer close(b.done)
	for piece := range b.full {
		if !b.failed.Load() {
			if _, err := w.Write(piece); err != nil {
				b.lost = err
				b.failed.Store(true)
			}
		}
		b.free <- piece[:0]
	}
}

func (b *beside) Write(p []byte) (int, error) {
	written := 0
	for len(p) > 0 {
		if b.failed.Load() {
			return written, b.lost
		}
		n, whole := b.fill(p)
		if p, written = p[n:], written+n; whole != nil {
			b.full <- whole
		}
	}
	return written, nil
}

// Close flushes, waits and reports what went wrong. It does not close w.
func (b *beside) Close() error {
	if piece := b.rest(); piece != nil {
		b.full <- piece
	}
	b.end(nil)
	<-b.done
	return b.lost
}

// beside has w written to beside s. What s fails with because w did is said once.
func (s Stream) beside(w io.Writer) error {
	stage := Beside(w)
	err := s(stage)
	lost := stage.Close()
	if lost == nil || errors.Is(err, lost) {
		return err
	}
	return errors.Join(err, lost)
}
