// Package state is what a layer's folder remembers besides its sets: the lock
// of the running deed, the stamps of the deeds that succeeded, and, outside of
// that folder, the newest manifest ever seen.
package state

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// LockName is the name of the lock in a layer's folder.
const LockName = ".lock"

// ErrHeld says that another run holds the lock.
var ErrHeld = errors.New("another run holds the lock")

// Lock is held until Unlock, or until the process ends in whatever way.
type Lock struct{ file *os.File }

// Acquire takes the lock of the folder dir without waiting. The error of a
// held lock is ErrHeld and tells who holds it.
func Acquire(dir string) (*Lock, error) {
	path := filepath.Join(dir, LockName)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		defer f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			who, _ := io.ReadAll(io.LimitReader(f, 200))
			return nil, fmt.Errorf("%w: %s: %s", ErrHeld, path, strings.TrimSpace(string(who)))
		}
		return nil, fmt.Errorf("lock: %s: %w", path, err)
	}
	who := fmt.Sprintf("pid %d since %s\n", os.Getpid(), time.Now().UTC().Format(time.RFC3339))
	if err := errors.Join(f.Truncate(0), writeAt(f, who)); err != nil {
		return nil, errors.Join(fmt.Errorf("lock: %s: %w", path, err), f.Close())
	}
	return &Lock{f}, nil
}

func writeAt(f *os.File, s string) error {
	_, err := f.WriteAt([]byte(s), 0)
	return err
}

// Unlock gives the lock back. The file stays: removing it would let two runs
// hold locks on two files of the same name.
func (l *Lock) Unlock() error { return l.file.Close() }
