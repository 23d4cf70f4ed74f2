package host

import (
	"bufio"
	"context"
	"errors"
	"io"
	"sync/atomic"
)

// Read is Run that gives standard output to use while c prints it. That c fails
// counts for more than what use says, since it may be the reason; but not when c
// fails because use did not read on.
func Read(ctx context.Context, c Command, use func(io.Reader) error) error {
	r, w := io.Pipe()
	out := &taken{PipeWriter: w}
	c.Stdout = out
	ended := make(chan error, 1)
	go func() {
		err := Run(ctx, c)
		w.CloseWithError(err)
		ended <- err
	}()
	err := use(bufio.NewReaderSize(r, 256<<10))
	_ = r.Close()
	if failed := <-ended; failed != nil && !out.refused.Load() {
		return failed
	}
	return err
}

// taken notes that somebody takes no more.
type taken struct {
	*io.PipeWriter
	refused atomic.Bool
}

func (t *taken) Write(p []byte) (int, error) {
	n, err := t.PipeWriter.Write(p)
	if errors.Is(err, io.ErrClosedPipe) {
		t.refused.Store(true)
	}
	return n, err
}
