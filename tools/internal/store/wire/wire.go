// Package wire is HTTP as stores need it. The one thing to know: nothing here
// has a time limit as a whole, since a backup may take hours, and everything
// has one for standing still. While the caller has no bytes to send, or takes
// none, no time runs.
package wire

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"time"
)

const (
	// replyMax bounds, in bytes, every reply but that to a plain GET.
	replyMax = 32 << 20
	// answerTimes is how much longer than for a byte a server may take to
	// answer what it was sent: it may have to put gigabytes in order.
	answerTimes = 5
)

// ErrStalled is why a request ended that stood still.
var ErrStalled = errors.New("the connection stands still")

// Stall is how long a connection may stand still.
const Stall = time.Minute

// New returns what makes requests. ca is the file of the certificates to trust;
// empty trusts the system's. stall is how long nothing may move.
func New(ca string, stall time.Duration) (http.RoundTripper, error) {
	trust := &tls.Config{MinVersion: tls.VersionTLS12}
	if ca != "" {
		pem, err := os.ReadFile(ca)
		if err != nil {
			return nil, fmt.Errorf("certificates to trust: %w", err)
		}
		trust.RootCAs = x509.NewCertPool()
		if !trust.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("certificates to trust: %s: holds none", ca)
		}
	}
	return &transport{stall: stall, next: &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: min(stall, 15*time.Second)}).DialContext,
		TLSClientConfig:       trust,
		TLSHandshakeTimeout:   min(stall, 15*time.Second),
		ExpectContinueTimeout: 2 * time.Second,
		IdleConnTimeout:       30 * time.Second,
		MaxIdleConnsPerHost:   4,
		DisableCompression:    true, // artifacts are bytes, and a small reply must not become a large one
	}}, nil
}

type transport struct {
	next  http.RoundTripper
	stall time.Duration
}

func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(req.Context())
	w := &watch{stall: t.stall, cancel: cancel}
	req = req.WithContext(ctx)
	if req.Body != nil && req.Body != http.NoBody {
		req.Body = &outgoing{req.Body, w}
	}
	w.run(t.stall)
	resp, err := t.next.RoundTrip(req)
	if err != nil {
		w.end()
		if errors.Is(context.Cause(ctx), ErrStalled) {
			err = context.Cause(ctx)
		}
		cancel(err)
		return nil, err
	}
	w.answered()
	body := &incoming{ReadCloser: resp.Body, w: w, ctx: ctx, left: replyMax}
	body.whole = req.Method == http.MethodGet && req.URL.RawQuery == ""
	resp.Body = body
	return resp, nil
}

// watch ends a request that stands still.
type watch struct {
	stall  time.Duration
	cancel context.CancelCauseFunc

	mu      sync.Mutex
	timer   *time.Timer
	replied bool // what is still being sent does not count any more
}

// run gives the other side the time d from now.
func (w *watch) run(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.restart(d)
}

func (w *watch) restart(d time.Duration) {
	if w.timer != nil {
		w.timer.Stop()
	}
	w.timer = time.AfterFunc(d, func() { w.cancel(fmt.Errorf("%w for %s", ErrStalled, d)) })
}

// rest stops the time: it is our turn.
func (w *watch) rest() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.timer.Stop()
}

func (w *watch) end() { w.rest() }

func (w *watch) answered() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.replied = true
	w.timer.Stop()
}

// sending is run or, with no time, rest, until there is a reply.
func (w *watch) sending(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.replied:
	case d == 0:
		w.timer.Stop()
	default:
		w.restart(d)
	}
}

// outgoing is the body of a request. Between two reads the network has it.
type outgoing struct {
	io.ReadCloser
	w *watch
}

func (o *outgoing) Read(p []byte) (int, error) {
	o.w.sending(0)
	n, err := o.ReadCloser.Read(p)
	if err != nil {
		o.w.sending(answerTimes * o.w.stall)
	} else {
		o.w.sending(o.w.stall)
	}
	return n, err
}

func (o *outgoing) Close() error {
	o.w.sending(answerTimes * o.w.stall)
	return o.ReadCloser.Close()
}

// incoming is the body of a reply.
type incoming struct {
	io.ReadCloser
	w     *watch
	ctx   context.Context
	left  int64
	whole bool // it is an artifact, and may be as long as it likes
}

func (i *incoming) Read(p []byte) (int, error) {
	i.w.run(i.w.stall)
	n, err := i.ReadCloser.Read(p)
	i.w.rest()
	if i.left -= int64(n); i.left < 0 && !i.whole {
		return 0, fmt.Errorf("the server's reply has more than %d bytes", replyMax)
	}
	if err != nil && err != io.EOF && errors.Is(context.Cause(i.ctx), ErrStalled) {
		err = context.Cause(i.ctx)
	}
	return n, err
}

func (i *incoming) Close() error {
	err := i.ReadCloser.Close()
	i.w.end()
	i.w.cancel(nil)
	return err
}
