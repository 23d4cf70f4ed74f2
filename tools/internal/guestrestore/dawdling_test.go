package guestrestore_test

import (
	"context"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/railiance/railiance/tools/internal/guestrestore"
	"github.com/railiance/railiance/tools/internal/store"
)

// dawdling is a source whose store stands still behind three quarters of the
// archive, until the context ends.
type dawdling struct {
	guestrestore.Source
	begun chan struct{}
	once  sync.Once
}

func (d *dawdling) source() guestrestore.Source {
	s := d.Source
	s.Folder = &stalled{s.Folder, d}
	return s
}

type stalled struct {
	store.Store
	d *dawdling
}

func (s *stalled) Open(ctx context.Context, name string) (io.ReadCloser, error) {
	r, err := s.Store.Open(ctx, name)
	if err != nil || !strings.HasPrefix(name, s.d.Subject.String()) {
		return r, err
	}
	a, err := s.d.Artifact()
	if err != nil {
		return nil, err
	}
	return &stalling{r, s.d, ctx, a.Size * 3 / 4}, nil
}

type stalling struct {
	io.ReadCloser
	d    *dawdling
	ctx  context.Context
	left int64
}

func (s *stalling) Read(p []byte) (int, error) {
	if s.left <= 0 {
		s.d.once.Do(func() { close(s.d.begun) })
		<-s.ctx.Done()
		return 0, context.Cause(s.ctx)
	}
	n, err := s.ReadCloser.Read(p[:min(int64(len(p)), s.left)])
	s.left -= int64(n)
	return n, err
}

// late is a store that takes its time before the first byte of a guest.
type late struct {
	store.Store
	prefix string
	wait   time.Duration
}

func (l *late) Open(ctx context.Context, name string) (io.ReadCloser, error) {
	r, err := l.Store.Open(ctx, name)
	if err != nil || !strings.HasPrefix(name, l.prefix) {
		return r, err
	}
	return &lateReader{ReadCloser: r, wait: l.wait}, nil
}

type lateReader struct {
	io.ReadCloser
	wait time.Duration
	once sync.Once
}

func (l *lateReader) Read(p []byte) (int, error) {
	l.once.Do(func() { time.Sleep(l.wait) })
	return l.ReadCloser.Read(p)
}

// opening is a store in which something happens once a file is there.
type opening struct {
	store.Store
	path string
	then func() error
}

func (o *opening) Open(ctx context.Context, name string) (io.ReadCloser, error) {
	r, err := o.Store.Open(ctx, name)
	return &openingReader{r, o}, err
}

type openingReader struct {
	io.ReadCloser
	o *opening
}

func (r *openingReader) Read(p []byte) (int, error) {
	if _, err := os.Stat(r.o.path); err == nil {
		if err := r.o.then(); err != nil {
			return 0, err
		}
	}
	return r.ReadCloser.Read(p[:min(len(p), 4096)])
}
