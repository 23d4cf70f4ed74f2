// Package spool holds what a guest gave until a slow store has taken it: while
// a virtual machine is saved, its own writes wait for whoever reads the backup.
//
// The one thing to know: it is a first-in-first-out buffer on disk with an
// upper bound, and no place where anything stays. The file has no name from
// the start, so that nothing is left behind however the program ends; and what
// goes in should be sealed already, since a disk remembers.
//
// As long as the store keeps up, nothing goes to the disk at all.
package spool

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// inMemory is what is held before the disk is used, in bytes.
const inMemory = 4 << 20

// Stats tells how a spool was used. Sizes are in bytes.
type Stats struct {
	Max       int64         // what the disk may hold; less than asked for where its disk is too full
	HighWater int64         // the most that was held, in memory and on disk
	OnDisk    int64         // the most that was held on disk
	Waited    time.Duration // how long the writer waited for room
}

// Spool is a pipe with room in it, for one writer and one reader.
type Spool struct {
	mu      sync.Mutex
	changed sync.Cond
	memory  ring // what it holds is older than what the disk holds
	disk    ring
	file    *os.File
	stats   Stats
	writeTo error // why the writer may stop: the reader went away
	readEnd error // what the reader gets in the end
}

// New makes a spool with room for max bytes in a file of the folder dir, which
// has to be a disk's: one in memory would defeat it. It takes no more than
// three quarters of what is free there. With a max of 0 there is no file, and
// 4 MiB of room in memory.
func New(dir string, max int64) (*Spool, error) {
	if max <= 0 {
		return with(nil, 0), nil
	}
	var fs unix.Statfs_t
	if err := unix.Statfs(dir, &fs); err != nil {
		return nil, fmt.Errorf("spool: %w", &os.PathError{Op: "statfs", Path: dir, Err: err})
	}
	max = min(max, int64(fs.Bavail)*fs.Bsize/4*3)
	file, err := Unnamed(dir)
	if err != nil {
		return nil, fmt.Errorf("spool: %w", err)
	}
	s := with(file, max)
	s.file = file
	return s, nil
}

func with(file storage, max int64) *Spool {
	s := &Spool{
		memory: ring{storage: make(buffer, inMemory), size: inMemory},
		disk:   ring{storage: file, size: max},
		stats:  Stats{Max: max},
	}
	s.changed.L = &s.mu
	return s
}

// Unnamed opens a file in the folder dir that nobody else can find, and that is
// gone when it is closed.
func Unnamed(dir string) (*os.File, error) {
	file, err := os.OpenFile(dir, unix.O_TMPFILE|os.O_RDWR|unix.O_EXCL, 0o600)
	if !errors.Is(err, syscall.EOPNOTSUPP) && !errors.Is(err, syscall.EISDIR) {
		return file, err
	}
	// Some network file systems only know files with names.
	if file, err = os.CreateTemp(dir, ".spool-"); err != nil {
		return nil, err
	}
	if err := os.Remove(file.Name()); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// Write returns as soon as p is held; it waits only while there is no room.
func (s *Spool) Write(p []byte) (int, error) {
	written := 0
	for len(p) > 0 {
		n, err := s.write(p)
		written += n
		if err != nil {
			return written, err
		}
		p = p[n:]
	}
	return written, nil
}

func (s *Spool) write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	to, err := s.room()
	if err != nil {
		return 0, err
	}
	at, n := to.free(len(p))
	s.mu.Unlock()
	done, err := to.storage.WriteAt(p[:n], at)
	s.mu.Lock()
	to.end += int64(done)
	full := errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
	switch {
	case err == nil:
	case s.writeTo != nil:
		err = s.writeTo // and the file was closed for it
	case full && to.shrink():
		s.stats.Max, err = to.size, nil
	default:
		err = fmt.Errorf("spool: %w", err)
	}
	s.stats.OnDisk = max(s.stats.OnDisk, s.disk.held())
	s.stats.HighWater = max(s.stats.HighWater, s.disk.held()+s.memory.held())
	s.changed.Broadcast()
	return done, err
}

// room waits for a ring that takes something.
func (s *Spool) room() (*ring, error) {
	for began := (time.Time{}); ; s.changed.Wait() {
		var to *ring
		switch {
		case s.writeTo != nil:
			return nil, s.writeTo
		case s.readEnd != nil:
			return nil, io.ErrClosedPipe
		case s.disk.held() == 0 && s.memory.held() < s.memory.size:
			to = &s.memory
		case s.disk.held() < s.disk.size:
			to = &s.disk
		}
		if to != nil {
			if !began.IsZero() {
				s.stats.Waited += time.Since(began)
			}
			to.rewind()
			return to, nil
		}
		if began.IsZero() {
			began = time.Now()
		}
	}
}

// Read returns what was written first, waits while there is nothing, and
// returns io.EOF once CloseWrite was called and all was read.
func (s *Spool) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		from := &s.memory
		if from.held() == 0 {
			from = &s.disk
		}
		switch {
		case s.writeTo != nil:
			return 0, s.writeTo
		case s.readEnd != nil && (s.readEnd != io.EOF || from.held() == 0):
			return 0, s.readEnd
		case from.held() == 0:
			s.changed.Wait()
			continue
		}
		at, n := from.used(len(p))
		s.mu.Unlock()
		done, err := from.storage.ReadAt(p[:n], at)
		s.mu.Lock()
		from.start += int64(done)
		s.changed.Broadcast()
		if err == io.EOF && done == n {
			err = nil
		}
		if err != nil {
			err = fmt.Errorf("spool: %w", err)
		}
		return done, err
	}
}

// CloseWrite says that no more comes. With an error the reader gets it at once,
// for what is held is part of something worthless.
func (s *Spool) CloseWrite(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		err = io.EOF
	}
	if s.readEnd == nil {
		s.readEnd = err
	}
	s.changed.Broadcast()
}

// CloseRead says that nobody reads any more, and gives the room back. The
// writer gets err, or io.ErrClosedPipe where err is nil.
func (s *Spool) CloseRead(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		err = io.ErrClosedPipe
	}
	if s.writeTo == nil {
		s.writeTo = err
		if s.file != nil {
			_ = s.file.Close() // it has no name: nothing is left to lose
		}
	}
	s.changed.Broadcast()
}

// Stats may be called at any time.
func (s *Spool) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stats
}
