package pve

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/railiance/railiance/tools/internal/host"
)

// endGrace is how long a program on a node may take to clean up after it was
// asked to end, before its connection is cut.
const endGrace = 20 * time.Second

// silence is how long a program on a node waits for a byte of us before it takes
// us for gone: longer than our ssh waits for the node, shorter than a guest
// whose disks stand still can bear.
const silence = 2 * time.Minute

// leashed runs a program that watches its standard input: a byte comes each
// beat; when ctx is done, or stdout takes no more, the input ends, and so does
// the program, in its own way. Should we be killed, the system ends the input;
// should this machine vanish, no byte comes any more. It returns how many bytes
// the program sent, and for a program that was not let to its end why.
func leashed(ctx context.Context, cmd host.Command, stdout io.Writer, beat time.Duration) (int64, error) {
	far, near, err := os.Pipe()
	if err != nil {
		return 0, err
	}
	out := &outlet{w: stdout, broken: make(chan struct{})}
	cmd.Stdin, cmd.Stdout = far, out
	running, cut := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cut(nil)
	p, err := host.Start(running, cmd)
	if err := errors.Join(err, far.Close()); err != nil {
		return 0, errors.Join(err, near.Close())
	}
	ended, watched := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(watched)
		hold(ctx, near, beat, ended, out.broken)
		if ctx.Err() != nil {
			out.stop(context.Cause(ctx))
		}
		_ = near.Close()
		select {
		case <-ended:
		case <-time.After(endGrace):
			cut(errors.New("it was asked to end, and did not"))
		}
	}()
	err = p.Wait()
	close(ended)
	<-watched
	sent, why := out.state()
	if why != nil {
		// How the program took it explains nothing, but that it may go on does.
		if running.Err() != nil {
			return sent, fmt.Errorf("%w (%w)", why, context.Cause(running))
		}
		return sent, why
	}
	return sent, err
}

// hold sends the leash a byte each beat, until one of them is done.
func hold(ctx context.Context, leash io.Writer, beat time.Duration, ended, broken <-chan struct{}) {
	ticks := time.NewTicker(beat)
	defer ticks.Stop()
	for {
		select {
		case <-ticks.C:
			_, _ = leash.Write([]byte{'.'}) // that nobody reads it shows elsewhere
		case <-ended:
			return
		case <-broken:
			return
		case <-ctx.Done():
			return
		}
	}
}

// outlet passes what a program sends on until that fails; then it drops the
// rest, for the program to end in its own way rather than of a broken pipe.
type outlet struct {
	w      io.Writer
	broken chan struct{}

	mu   sync.Mutex
	sent int64
	why  error
}

func (o *outlet) Write(p []byte) (int, error) {
	if _, why := o.state(); why != nil {
		return len(p), nil
	}
	n, err := o.w.Write(p)
	o.mu.Lock()
	o.sent += int64(n)
	o.mu.Unlock()
	if err != nil && o.stop(err) {
		close(o.broken)
	}
	return len(p), nil
}

// stop says why nothing is passed on any more; the first reason stays.
func (o *outlet) stop(why error) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.why != nil {
		return false
	}
	o.why = why
	return true
}

func (o *outlet) state() (int64, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.sent, o.why
}

// The bounds of a log that is kept, in bytes: vzdump tells its progress every
// few seconds, and what matters stands at the beginning and at the end.
const (
	journalHead = 4 << 20
	journalTail = 1 << 20
)

// journal keeps the log of a program.
type journal struct {
	also io.Writer

	mu         sync.Mutex
	head, tail []byte
	dropped    int64
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.also != nil {
		_, _ = j.also.Write(p) // whoever looks on must not end the deed
	}
	room := min(len(p), journalHead-len(j.head))
	j.head = append(j.head, p[:room]...)
	j.tail = append(j.tail, p[room:]...)
	if over := len(j.tail) - journalTail; over > journalTail {
		j.dropped += int64(over)
		j.tail = append(j.tail[:0], j.tail[over:]...)
	}
	return len(p), nil
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.dropped == 0 {
		return string(j.head) + string(j.tail)
	}
	return fmt.Sprintf("%s\n[%d bytes are left out here]\n%s", j.head, j.dropped, j.tail)
}
