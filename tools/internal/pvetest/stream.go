package pvetest

import (
	"errors"
	"io"
	"os"
	"strconv"
	"time"

	"github.com/klauspost/compress/zstd"
	"golang.org/x/sys/unix"
)

// emptyZstd is what the compressor of a job that failed leaves: a whole stream
// of nothing.
const emptyZstd = "\x28\xb5\x2f\xfd\x24\x00\x01\x00\x00\x99\xe9\xd8\x51"

// stream is standard output of a job, with the faults of its guest.
type stream struct {
	j       *job
	w       io.WriteCloser
	n       int64 // bytes that the job has written
	pieces  int   // writes: the header, then the extents
	data    int64 // bytes of the extents without their heads
	stalls  *os.File
	began   time.Time
	spare   int64 // how many pieces may be written; -1: all
	refused error
}

type keep struct{ io.Writer }

func (keep) Close() error { return nil }

func (j *job) stream() (*stream, error) {
	s := &stream{j: j, w: keep{j.out}, began: time.Now(), spare: -1}
	if j.values["compress"] == "zstd" {
		z, err := zstd.NewWriter(j.out, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest))
		if err != nil {
			return nil, err
		}
		s.w = z
	} else if c := j.values["compress"]; c != "" && c != "0" {
		return nil, errors.New("pvetest: only --compress zstd is faked")
	}
	if n, ok := amount(j.faults, "truncate", "at", "extent"); ok {
		s.spare = n + 1
	}
	if j.state.runs && j.guest.kind == typeVM && !j.fleeces() {
		f, err := os.OpenFile(j.stallFile(j.id), os.O_RDWR|os.O_CREATE, 0o640)
		if err != nil {
			return nil, err
		}
		s.stalls = f
	}
	return s, nil
}

// stallFile is locked while a guest's writes must wait for vzdump's reader.
func (c cluster) stallFile(id int) string { return c.runFile(id) + ".stall" }

// Write passes p on, in parts that the faults can come between.
func (s *stream) Write(p []byte) (int, error) {
	s.pieces++
	if s.spare >= 0 && int64(s.pieces) > s.spare {
		return len(p), nil
	}
	if s.pieces > 1 {
		s.data += int64(len(p)) - extentHead
	}
	if s.stalls != nil {
		if err := unix.Flock(int(s.stalls.Fd()), unix.LOCK_EX); err != nil {
			return 0, err
		}
		// The one who waits for it must get a turn between two writes.
		defer time.Sleep(200 * time.Microsecond)
		defer unix.Flock(int(s.stalls.Fd()), unix.LOCK_UN)
	}
	sent := 0
	for sent < len(p) {
		part := p[sent:min(len(p), sent+16<<10)]
		part, err := s.fault(part)
		n, werr := s.w.Write(part)
		sent += n
		s.n += int64(n)
		if werr != nil {
			s.refused = werr
			return sent, werr
		}
		if err != nil {
			return sent, err
		}
	}
	return sent, nil
}

var (
	errClosed = errors.New("pvetest: the fault closes the stream")
	errDisk   = errors.New("pvetest: the fault ends the disk")
)

// fault is how much of part may still pass, and what happens after it.
func (s *stream) fault(part []byte) ([]byte, error) {
	f := s.j.faults
	if len(f) == 0 {
		return part, nil
	}
	if n, ok := amount(f, "slow"); ok {
		due := time.Duration(float64(s.n+int64(len(part))) / float64(n) * float64(s.j.second))
		time.Sleep(time.Until(s.began.Add(due)))
		return part, nil
	}
	limit, err := int64(0), error(nil)
	switch n, ok := amount(f, f[0], "after"); {
	case is(f, "hang"):
		err = errClosed
	case !ok:
		return part, nil
	default:
		limit = n
	}
	if s.n+int64(len(part)) <= limit {
		return part, nil
	}
	part = part[:max(0, limit-s.n)]
	switch f[0] {
	case "hang":
		if _, werr := s.w.Write(part); werr != nil {
			return nil, werr
		}
		select {} // until a signal, or the end of the World
	case "die":
		_, _ = s.w.Write(part)
		_ = s.w.Close()
		_ = unix.Kill(os.Getpid(), unix.SIGKILL)
		select {}
	case "fail":
		err = errDisk
	case "close":
		err = errClosed
	default:
		return nil, errors.New("pvetest: fault " + strconv.Quote(f[0]))
	}
	return part, err
}

// short passes the first bytes on and drops the others.
type short struct {
	io.Writer
	n int64
}

func (s *short) Write(p []byte) (int, error) {
	part := p[:min(int64(len(p)), s.n)]
	n, err := s.Writer.Write(part)
	s.n -= int64(n)
	if err != nil {
		return n, err
	}
	return len(p), nil
}
