package setrun

import (
	"context"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/railiance/railiance/tools/internal/seal"
	"github.com/railiance/railiance/tools/internal/spool"
)

// DefaultStall is how long a folder may take nothing before it is given up. A
// Put that is stuck in a dead network disk cannot be stopped, only left behind.
const DefaultStall = 10 * time.Minute

// ahead is how many chunks a folder may lag behind the fastest one before the
// stream waits for it.
const ahead = 8

// Put stores what stream writes under that name in every living folder: read
// once, written to all. Only when the stream has ended well does any folder
// have it. A folder that fails is dropped; when the stream fails, the error is
// the stream's, and no folder has anything.
//
// What the slowest folder does not take yet goes into the spool, which is used
// up; nil: there is none, and the stream waits.
func (c *Copies) Put(ctx context.Context, name string, stream seal.Stream, room *spool.Spool) error {
	f := &fan{ctx: ctx, stall: c.Stall}
	if f.stall == 0 {
		f.stall = DefaultStall
	}
	for _, one := range c.Living() {
		f.branches = append(f.branches, grow(ctx, one, name))
	}
	if room != nil {
		stream = through(stream, room)
	}
	return f.end(stream(f))
}

// through is the stream with room between it and where it goes.
func through(stream seal.Stream, room *spool.Spool) seal.Stream {
	return func(w io.Writer) error {
		written := make(chan error, 1)
		go func() {
			err := stream(room)
			room.CloseWrite(err)
			written <- err
		}()
		_, err := io.CopyBuffer(w, room, make([]byte, largest))
		room.CloseRead(err)
		if failed := <-written; failed != nil {
			return failed
		}
		return err
	}
}

// fan writes to all branches.
type fan struct {
	ctx      context.Context
	stall    time.Duration
	branches []*branch
	chunks   sync.Pool
}

// branch is the way to one folder.
type branch struct {
	copy  *Copy
	queue chan *chunk
	done  chan error // of its Put
	stop  context.CancelCauseFunc
	err   error // of the stream; read after queue is closed
}

// chunk is what the branches share.
type chunk struct {
	bytes []byte
	users atomic.Int32
	pool  *sync.Pool // not garbage: a backup passes hundreds of gigabytes
}

func (k *chunk) release() {
	if k.users.Add(-1) == 0 {
		k.pool.Put(k)
	}
}

func grow(ctx context.Context, one *Copy, name string) *branch {
	ctx, stop := context.WithCancelCause(ctx)
	b := &branch{copy: one, queue: make(chan *chunk, ahead), done: make(chan error, 1), stop: stop}
	go func() {
		b.done <- one.Folder.Store.Put(ctx, name, func(w io.Writer) error {
			for k := range b.queue {
				_, err := w.Write(k.bytes)
				k.release()
				if err != nil {
					return err
				}
			}
			return b.err
		})
	}()
	return b
}

// largest is how much of a stream is handed on at once.
const largest = 256 << 10

func (f *fan) Write(p []byte) (int, error) {
	written := 0
	for written < len(p) {
		n := min(largest, len(p)-written)
		if err := f.all(p[written : written+n]); err != nil {
			return written, err
		}
		written += n
	}
	return written, nil
}

// all hands p to all branches.
func (f *fan) all(p []byte) error {
	if f.ctx.Err() != nil {
		return context.Cause(f.ctx)
	}
	k := f.chunk(p)
	defer k.release()
	var living []*branch
	for _, b := range f.branches {
		err := f.give(b, k)
		if err == nil {
			living = append(living, b)
			continue
		}
		k.release()
		if f.ctx.Err() != nil {
			return context.Cause(f.ctx)
		}
		b.cut(err)
	}
	if f.branches = living; len(living) == 0 {
		return ErrNoSite
	}
	return nil
}

// chunk is p for all branches and for us.
func (f *fan) chunk(p []byte) *chunk {
	k, ok := f.chunks.Get().(*chunk)
	if !ok {
		k = &chunk{pool: &f.chunks}
	}
	k.bytes = append(k.bytes[:0], p...)
	k.users.Store(int32(len(f.branches)) + 1)
	return k
}

// cut drops the folder. Its Put is told so, for when it wakes up again.
func (b *branch) cut(err error) {
	b.err = err
	close(b.queue)
	b.stop(err)
	b.copy.drop(err)
}

// give hands k to b, or says why b is to be dropped.
func (f *fan) give(b *branch, k *chunk) error {
	select {
	case b.queue <- k:
		return nil
	default:
	}
	begin := time.Now()
	defer func() { b.copy.Waited += time.Since(begin) }()
	stalled := time.NewTimer(f.stall)
	defer stalled.Stop()
	select {
	case b.queue <- k:
		return nil
	case err := <-b.done:
		b.done <- err // for end
		return early(err)
	case <-stalled.C:
		b.copy.behind = true
		return fmt.Errorf("it has taken nothing for %s", f.stall)
	case <-f.ctx.Done():
		return context.Cause(f.ctx)
	}
}

// early is the error of a Put that returned before the stream has ended.
func early(err error) error {
	if err == nil {
		return io.ErrShortWrite
	}
	return err
}

// end ends the branches, well or not, and waits for them.
func (f *fan) end(err error) error {
	for _, b := range f.branches {
		b.err = err
		close(b.queue)
	}
	kept := 0
	for _, b := range f.branches {
		put := f.wait(b)
		b.stop(nil)
		switch {
		case put == nil:
			kept++
		case err == nil && f.ctx.Err() == nil:
			b.copy.drop(put)
		}
	}
	switch {
	case err != nil:
		return err
	case f.ctx.Err() != nil:
		return context.Cause(f.ctx)
	case kept == 0:
		return ErrNoSite
	}
	return nil
}

func (f *fan) wait(b *branch) error {
	stalled := time.NewTimer(f.stall)
	defer stalled.Stop()
	select {
	case err := <-b.done:
		return err
	case <-stalled.C:
		b.copy.behind = true
		err := fmt.Errorf("it has not ended what it was given for %s", f.stall)
		b.stop(err)
		return err
	}
}
