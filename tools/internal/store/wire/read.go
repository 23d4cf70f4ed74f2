package wire

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// Reader reads size bytes that At returns from an offset on. Where a connection
// breaks it asks again, for what is missing: hours of a restore may be behind.
type Reader struct {
	Context context.Context
	Size    int64                                     // bytes
	At      func(offset int64) (io.ReadCloser, error) // must fail if it is not the same artifact any more
	Pause   time.Duration                             // before the second try

	body   io.ReadCloser
	offset int64
	failed int // since the last byte
}

// Read returns io.EOF only after Size bytes.
func (r *Reader) Read(p []byte) (int, error) {
	for {
		if r.offset >= r.Size {
			return 0, io.EOF
		}
		n, err := r.read(p[:min(int64(len(p)), r.Size-r.offset)])
		if n > 0 {
			r.offset += int64(n)
			r.failed = 0
			return n, nil
		}
		if err == nil {
			continue
		}
		if ctx := r.Context.Err(); ctx != nil {
			return 0, context.Cause(r.Context)
		}
		var final *Final
		if r.failed++; r.failed >= Tries || errors.As(err, &final) {
			return 0, fmt.Errorf("after %d of %d bytes: %w", r.offset, r.Size, err)
		}
		if err := backoff(r.Context, r.Pause, r.failed); err != nil {
			return 0, err
		}
	}
}

func (r *Reader) read(p []byte) (int, error) {
	if r.body == nil {
		body, err := r.At(r.offset)
		if err != nil {
			return 0, err
		}
		r.body = body
	}
	n, err := r.body.Read(p)
	if err != nil && n == 0 {
		_ = r.body.Close()
		r.body = nil
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
	}
	return n, err
}

// First sets the body of the request that told the size.
func (r *Reader) First(body io.ReadCloser) { r.body = body }

// Close ends the request.
func (r *Reader) Close() error {
	if r.body == nil {
		return nil
	}
	return r.body.Close()
}

// Final is an error of At that asking again does not change.
type Final struct{ Err error }

func (f *Final) Error() string { return f.Err.Error() }

func (f *Final) Unwrap() error { return f.Err }
