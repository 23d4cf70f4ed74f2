package pve

import (
	"context"
	"errors"
	"io"
	"sync/atomic"
	"time"

	"github.com/railiance/railiance/tools/internal/host"
)

// fed runs a program that reads from. When ctx is done, or from fails, the
// program's input ends, and it is let to its own end: a restore that is cut off
// cleans up as far as it can. It returns how much was sent, why there was no
// more, and how the program ended.
func fed(ctx context.Context, cmd host.Command, from io.Reader) (sent int64, read, ended error) {
	out, in := io.Pipe()
	cmd.Stdin = out
	running, cut := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cut(nil)
	p, err := host.Start(running, cmd)
	if err != nil {
		return 0, nil, err
	}
	var count atomic.Int64
	copied := make(chan error, 1)
	go func() {
		_, err := io.Copy(in, &counted{from, &count})
		_ = in.CloseWithError(err) // nil is the end
		copied <- err
	}()
	over, watched := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(watched)
		select {
		case <-over:
			return
		case <-ctx.Done():
			_ = in.CloseWithError(context.Cause(ctx))
		}
		select {
		case <-over:
		case <-time.After(endGrace):
			cut(errors.New("it was to end, and did not"))
		}
	}()
	ended = p.Wait()
	close(over)
	<-watched
	_ = out.CloseWithError(io.ErrClosedPipe)
	read = <-copied
	if errors.Is(read, io.ErrClosedPipe) {
		read = nil // the program took no more, and says why
	}
	if ctx.Err() != nil {
		read = context.Cause(ctx)
	}
	var exit *host.ExitError
	if lost := (*host.SSHError)(nil); ended != nil && !errors.As(ended, &exit) && !errors.As(ended, &lost) && read != nil {
		ended = nil // it is the failure to read that is told a second time
	}
	return count.Load(), read, ended
}

// counted counts what is read.
type counted struct {
	r io.Reader
	n *atomic.Int64
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n.Add(int64(n))
	return n, err
}
