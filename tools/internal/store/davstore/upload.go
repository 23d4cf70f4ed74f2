package davstore

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/railiance/railiance/tools/internal/store"
	"github.com/railiance/railiance/tools/internal/store/wire"
)

const (
	// small artifacts, in bytes, are sent as a whole: with their length, which
	// some servers insist on, and again where that failed.
	small = 1 << 20
	// cleanWithin is how long a run that fails may take to clean up.
	cleanWithin = 30 * time.Second
)

// upload is a draft on its way.
type upload struct {
	*folder
	name, draft string
	ctx         context.Context
	stop        context.CancelFunc

	buf   []byte         // until it is no small artifact any more
	pipe  *io.PipeWriter // then this
	cut   func()         // ends the request
	keep  func() bool    // the end of the run is not that of the request any more
	done  chan struct{}  // closed when the request has ended
	err   error          // what it ended with; read after done
	sent  bool           // there may be a draft
	total int64          // bytes
}

func (f *folder) upload(ctx context.Context, name string) *upload {
	ctx, stop := context.WithCancel(ctx)
	return &upload{folder: f, name: name, draft: store.DraftPrefix + name + "-" + rand.Text(), ctx: ctx, stop: stop}
}

func (u *upload) Write(p []byte) (int, error) {
	if u.ctx.Err() != nil {
		return 0, context.Cause(u.ctx)
	}
	u.total += int64(len(p))
	if u.pipe == nil && len(u.buf)+len(p) <= small {
		u.buf = append(u.buf, p...)
		return len(p), nil
	}
	if u.pipe == nil {
		u.begin()
		if _, err := u.stream(u.buf); err != nil {
			return 0, err
		}
		u.buf = nil
	}
	return u.stream(p)
}

// begin begins a request whose length nobody knows yet.
func (u *upload) begin() {
	body, pipe := io.Pipe()
	ctx, cut := context.WithCancel(context.WithoutCancel(u.ctx))
	u.cut, u.keep = cut, context.AfterFunc(u.ctx, cut)
	u.pipe, u.done, u.sent = pipe, make(chan struct{}), true
	go func() {
		defer close(u.done)
		// A server that refuses does so before the first gigabyte.
		header := map[string]string{"Expect": "100-continue", "Content-Type": "application/octet-stream"}
		u.err = u.put(ctx, header, body)
		if u.err != nil {
			_ = body.CloseWithError(u.err)
		} else {
			_ = body.Close()
		}
	}()
}

func (u *upload) put(ctx context.Context, header map[string]string, body io.Reader) error {
	resp, err := u.do(ctx, http.MethodPut, u.at(u.dir, u.draft), header, body, http.StatusCreated, http.StatusNoContent, http.StatusOK)
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

func (u *upload) stream(p []byte) (int, error) {
	n, err := u.pipe.Write(p)
	if err == nil {
		return n, nil
	}
	if u.ctx.Err() != nil {
		return n, context.Cause(u.ctx)
	}
	// The request ended before its body. It knows why.
	<-u.done
	if u.err == nil {
		return n, u.explain(u.name, errors.New("the server says that it has everything, before it was sent"))
	}
	return n, u.explain(u.name, u.err)
}

// finish ends the body and waits for the answer: also where the run is stopped
// now, lest the draft comes after abort has looked for it.
func (u *upload) finish() error {
	ctx, end := wire.Linger(u.ctx)
	defer end()
	var err error
	switch {
	case u.pipe == nil:
		u.sent = true
		err = u.try(u.ctx, func() error {
			return u.put(ctx, map[string]string{"Content-Type": "application/octet-stream"}, bytes.NewReader(u.buf))
		})
	case u.keep():
		context.AfterFunc(ctx, u.cut)
		_ = u.pipe.Close()
		<-u.done
		err = u.err
	}
	if u.ctx.Err() != nil {
		return context.Cause(u.ctx)
	}
	return err
}

// abort takes the draft away, unless it was published. What it cannot reach a
// later Sweep does.
func (u *upload) abort() {
	u.stop()
	if u.pipe != nil {
		_ = u.pipe.CloseWithError(errors.New("given up"))
		<-u.done
	}
	if u.sent {
		u.detached(func(ctx context.Context) error { return u.remove(ctx, u.at(u.dir, u.draft)) })
	}
}

// detached runs f even though the run was stopped.
func (u *upload) detached(f func(context.Context) error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(u.ctx), cleanWithin)
	defer cancel()
	_ = f(ctx)
}
