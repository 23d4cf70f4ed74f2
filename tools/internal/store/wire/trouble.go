package wire

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"time"

	"github.com/railiance/railiance/tools/internal/host"
	"github.com/railiance/railiance/tools/internal/tell"
)

// Tries is how often something is asked for that failed in passing.
const Tries = 6

// Try calls f until it succeeds, fails for good, or failed often enough. It
// waits first before the second try, then twice as long each time.
func Try(ctx context.Context, first time.Duration, transient func(error) bool, f func() error) error {
	for n := 1; ; n++ {
		err := f()
		if err == nil || ctx.Err() != nil || !transient(err) {
			return err
		}
		if n == Tries {
			return fmt.Errorf("tried %d times: %w", n, err)
		}
		if err := backoff(ctx, first, n); err != nil {
			return err
		}
	}
}

func backoff(ctx context.Context, first time.Duration, n int) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(first << (n - 1)):
		return nil
	}
}

// Linger is a context that ends as late after ctx as is fair to wait for an answer.
// What was sent to its end may be done at any moment: only who waits for the
// answer can then take it back.
func Linger(ctx context.Context) (context.Context, context.CancelFunc) {
	lingering, end := context.WithCancelCause(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		select {
		case <-time.After(lingerFor):
			end(context.Cause(ctx))
		case <-lingering.Done():
		}
	})
	return lingering, func() { stop(); end(nil) }
}

const lingerFor = 5 * time.Second

// Broken says whether the network failed in a way that may pass.
func Broken(err error) bool {
	var certificate *tls.CertificateVerificationError
	var network *url.Error
	switch {
	case errors.As(err, &certificate), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return false
	}
	// A reply that ends before its end: so a server also tells that it has failed
	// in the middle of one.
	return errors.Is(err, ErrStalled) || errors.Is(err, io.ErrUnexpectedEOF) || errors.As(err, &network)
}

// Said is an error in words that can be shown. It keeps the error itself for
// those who branch.
type Said struct {
	Text string
	Err  error
}

func (s *Said) Error() string { return s.Text }

func (s *Said) Unwrap() error { return s.Err }

// Plain is a network error without the address, whose parameters help nobody,
// and with a way out where the certificate is to blame.
func Plain(err error) error {
	var network *url.Error
	if !errors.As(err, &network) {
		return err
	}
	said := &Said{Text: host.Printable(strings.Replace(err.Error(), network.Error(), network.Err.Error(), 1)), Err: err}
	var certificate *tls.CertificateVerificationError
	if errors.As(err, &certificate) {
		said.Text = "the server's certificate is not trusted: " + said.Text
		return tell.Hint(said, "name the file of its authority as \"ca\" of the store in the cluster context")
	}
	return said
}
