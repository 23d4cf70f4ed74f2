package seal

import (
	"io"
	"sync/atomic"
)

const (
	besideBuffer  = 256 << 10 // four age chunks; below that, hand-overs show
	besideBuffers = 4
)

// Beside returns a writer that hands what it is given to w in a goroutine of
// its own, in order, through a few buffers of fixed size. An error of w shows
// at a later Write, and at the latest at Close, which waits for w.
func Beside(w io.Writer) io.WriteCloser {
	b := &beside{
		full: make(chan []byte, besideBuffers),
		free: make(chan []byte, besideBuffers),
		done: make(chan struct{}),
	}
	for range besideBuffers {
		b.free <- make([]byte, 0, besideBuffer)
	}
	go b.drain(w)
	return b
}

type beside struct {
	full, free chan []byte
	current    []byte
	done       chan struct{}
	err        error // read after done is closed, or after failed
	failed     atomic.Bool
}

func (b *beside) drain(w io.Writer) {
	defer close(b.done)
	for buf := range b.full {
		if !b.failed.Load() {
			if _, err := w.Write(buf); err != nil {
				b.err = err
				b.failed.Store(true)
			}
		}
		b.free <- buf[:0]
	}
}

func (b *beside) Write(p []byte) (int, error) {
	written := 0
	for len(p) > 0 {
		if b.failed.Load() {
			return written, b.err
		}
		if b.current == nil {
			b.current = <-b.free
		}
		n := copy(b.current[len(b.current):cap(b.current)], p)
		b.current = b.current[:len(b.current)+n]
		p = p[n:]
		written += n
		if len(b.current) == cap(b.current) {
			b.full <- b.current
			b.current = nil
		}
	}
	return written, nil
}

// Close flushes, waits and reports what went wrong. It does not close w.
func (b *beside) Close() error {
	if len(b.current) > 0 {
		b.full <- b.current
		b.current = nil
	}
	close(b.full)
	<-b.done
	return b.err
}
