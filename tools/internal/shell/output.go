package shell

import (
	"errors"
	"io"
	"sync"
	"syscall"
)

// output is standard output as a verb sees it: writing to it never fails. A
// deed must come to its end, and be recorded, also where whoever asked has left
// or the disk that its result goes to is full. Main tells of it afterwards.
type output struct {
	mu  sync.Mutex
	w   io.Writer
	err error // the first one; nothing is written after it
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err == nil {
		_, o.err = o.w.Write(p)
	}
	return len(p), nil
}

func (o *output) failure() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.err
}

// incomplete is failure where somebody has to be told: who closed the other end
// of a pipe, as head does, wanted no more.
func (o *output) incomplete() error {
	if err := o.failure(); !errors.Is(err, syscall.EPIPE) {
		return err
	}
	return nil
}
