package pvetest

import (
	"errors"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// faulty is standard input of a restore, with its fault.
type faulty struct {
	r     io.Reader
	fault []string
	n     int64
}

func (f *faulty) Read(p []byte) (int, error) {
	n, err := f.r.Read(p)
	f.n += int64(n)
	if limit, ok := amount(f.fault, "die", "after"); ok && f.n > limit {
		_ = unix.Kill(os.Getpid(), unix.SIGKILL)
		select {}
	}
	if limit, ok := amount(f.fault, "fail", "after"); ok && f.n > limit {
		return 0, errors.New("write failed: No space left on device")
	}
	return n, err
}
