package spool

import "io"

type storage interface {
	io.ReaderAt
	io.WriterAt
}

// ring holds what lies between start and end, which only grow, modulo size.
type ring struct {
	storage    storage
	size       int64
	start, end int64
}

func (r *ring) held() int64 { return r.end - r.start }

// rewind lets an empty ring begin anew, so that the first part of the file is
// used again before the rest is used at all. The reader has nothing to do then.
func (r *ring) rewind() {
	if r.held() == 0 {
		r.start, r.end = 0, 0
	}
}

// free is where up to want bytes can be written at once; used where they are.
func (r *ring) free(want int) (at int64, n int) {
	at = r.end % r.size
	return at, int(min(int64(want), r.size-r.held(), r.size-at))
}

func (r *ring) used(want int) (at int64, n int) {
	at = r.start % r.size
	return at, int(min(int64(want), r.held(), r.size-at))
}

// shrink makes do with what the file has, when its disk is full before the
// ring has gone round once: slower, and not failed.
func (r *ring) shrink() bool {
	if r.end >= r.size {
		return false
	}
	r.size = r.end
	return true
}

// buffer is storage in memory.
type buffer []byte

func (b buffer) ReadAt(p []byte, at int64) (int, error) { return copy(p, b[at:]), nil }

func (b buffer) WriteAt(p []byte, at int64) (int, error) { return copy(b[at:], p), nil }
