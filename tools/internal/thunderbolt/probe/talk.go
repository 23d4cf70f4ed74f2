package probe

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/railiance/railiance/tools/internal/host"
)

// talk is one connection to a node. The node tells its state, waits for a line,
// and pings: logging in costs more than all that it is asked.
type talk struct {
	word   string // frames the answers; no node knows it before
	stop   context.CancelCauseFunc
	goOn   *os.File
	answer *answer
	ended  chan error // how the connection ended; closed after
}

// begin connects and returns at once.
func begin(ctx context.Context, remote host.Remote, script func(word string) string) (*talk, error) {
	t := &talk{word: rand.Text(), ended: make(chan error, 1)}
	t.answer = &answer{mark: []byte("\n" + t.word + " waits\n"), reached: make(chan struct{})}
	read, write, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("ssh: %w", err)
	}
	defer read.Close()
	ctx, t.stop = context.WithCancelCause(ctx)
	c := remote.Command(shell(script(t.word)))
	c.Stdin, c.Stdout = read, t.answer
	t.goOn = write
	p, err := host.Start(ctx, c)
	if err != nil {
		t.stop(nil)
		return nil, errors.Join(err, write.Close())
	}
	go func() {
		t.ended <- p.Wait()
		close(t.ended)
	}()
	return t, nil
}

// until waits for the node to have told its state.
func (t *talk) until(timeout time.Duration) ([]byte, error) {
	select {
	case <-t.answer.reached:
		if err := t.answer.over(); err != nil {
			return nil, errors.Join(err, t.end())
		}
		return t.answer.bytes(), nil
	case err := <-t.ended:
		t.stop(nil)
		return t.answer.bytes(), errors.Join(err, t.answer.over(), t.goOn.Close())
	case <-time.After(timeout):
		return nil, errors.Join(errTimeout, t.end())
	}
}

// finish lets the node go on, and waits for its end.
func (t *talk) finish(timeout time.Duration) ([]byte, error) {
	_, err := t.goOn.WriteString("go\n")
	if err := errors.Join(err, t.goOn.Close()); err != nil {
		return nil, errors.Join(err, t.end())
	}
	select {
	case err := <-t.ended:
		t.stop(nil)
		return t.answer.bytes(), errors.Join(err, t.answer.over())
	case <-time.After(timeout):
		return nil, errors.Join(errTimeout, t.end())
	}
}

// end cuts the connection. A node that waits for the line takes its end for a
// no.
func (t *talk) end() error {
	t.stop(errTimeout)
	_ = t.goOn.Close() // closed already, perhaps
	<-t.ended
	return nil
}

// answer keeps what a node says, up to answerMax, and notes when a mark has
// come.
type answer struct {
	mark    []byte
	reached chan struct{}

	mu   sync.Mutex
	kept []byte
	past bool // reached is closed
	more bool
}

func (a *answer) Write(p []byte) (int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	room := answerMax - len(a.kept)
	if len(p) > room {
		a.more = true
	}
	from := max(0, len(a.kept)-len(a.mark))
	a.kept = append(a.kept, p[:min(len(p), room)]...)
	// Who sends too much is not listened to any further.
	if !a.past && (a.more || bytes.Contains(a.kept[from:], a.mark)) {
		a.past = true
		close(a.reached)
	}
	return len(p), nil
}

func (a *answer) bytes() []byte {
	a.mu.Lock()
	defer a.mu.Unlock()
	return bytes.Clone(a.kept)
}

func (a *answer) over() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.more {
		return fmt.Errorf("sent more than %d MiB", answerMax>>20)
	}
	return nil
}
