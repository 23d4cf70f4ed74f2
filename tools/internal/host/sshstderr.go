package host

import (
	"io"
	"strings"
	"sync"
)

// remoteStderr passes on what a remote program complains about, and takes out
// the marks of shellLine. What came before the first mark was said by ssh or by
// the remote shell's start files: it explains a failure to get there, and is
// noise otherwise.
type remoteStderr struct {
	to io.Writer

	mu       sync.Mutex
	before   tail   // until the mark
	held     []byte // what may become a mark
	reached  bool
	said255  bool
	finished bool
}

func (r *remoteStderr) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.held = append(r.held, p...)
	if !r.reached {
		_, after, found := strings.Cut(string(r.held), markReached)
		if !found {
			return len(p), r.release(&r.before, markReached)
		}
		r.reached, r.held = true, []byte(after)
	}
	if before, after, found := strings.Cut(string(r.held), mark255); found {
		r.said255, r.held = true, []byte(before+after)
	}
	return len(p), r.release(r.to, mark255)
}

// release writes what is held to w, but for an end that may be the beginning of
// mark.
func (r *remoteStderr) release(w io.Writer, mark string) error {
	keep := min(len(mark)-1, len(r.held))
	for !strings.HasPrefix(mark, string(r.held[len(r.held)-keep:])) {
		keep--
	}
	out := r.held[:len(r.held)-keep]
	rest := append([]byte{}, r.held[len(r.held)-keep:]...)
	_, err := w.Write(out)
	r.held = rest
	return err
}

// flush passes on what is still held; nothing comes after it.
func (r *remoteStderr) flush() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.finished {
		return
	}
	r.finished = true
	if r.reached {
		_, _ = r.to.Write(r.held)
		return
	}
	_, _ = r.before.Write(r.held)
	_, _ = r.to.Write(r.before.kept)
}

// failure is the SSHError of a program that ended with code (-1: a signal) and
// did not, or not surely, come to its own end; else nil.
func (r *remoteStderr) failure(name string, code int) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	target, _, _ := strings.Cut(name, ": ")
	switch {
	case code == 255 && !r.reached:
		return sshFailure(target, classify(string(r.before.kept)), r.before.String())
	case code == 255 && !r.said255:
		return sshFailure(target, SSHLost, "after the program was started")
	case code == -1:
		return sshFailure(target, SSHLost, "ssh was killed")
	case !r.reached:
		// Also with status 0: a forced command or a login shell that is none
		// did something else.
		return sshFailure(target, SSHShell, r.before.String())
	}
	return nil
}
