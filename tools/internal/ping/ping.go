// Package ping tells a dead-man service (healthchecks.io, Uptime Kuma and their
// like) how a deed goes, so that somebody hears of the run that never started.
//
// The one thing to know: the URL is a secret, since whoever has it can report
// success in our name. It is read from a file that only its owner may read,
// redirects are not followed with it, and no error here quotes any part of it.
package ping

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	fileLimit  = 4 << 10 // bytes
	tries      = 3
	tryTimeout = 3 * time.Second
	pause      = 500 * time.Millisecond
	// Timeout bounds one signal with all of its tries.
	Timeout = 10 * time.Second
)

// Target is where the signals of a layer go.
type Target struct {
	url    *url.URL
	client *http.Client
}

// Load reads the file that holds nothing but the URL. Its errors name the file
// and never quote it.
func Load(path string) (*Target, error) {
	text, err := read(path)
	if err != nil {
		return nil, fmt.Errorf("ping url: %w", err)
	}
	u, err := url.Parse(string(bytes.TrimSpace(text)))
	switch {
	case err != nil:
		// url.Parse quotes what it could not parse.
		return nil, fmt.Errorf("ping url: %s: it does not hold one URL and nothing else", path)
	case u.Scheme != "https" && u.Scheme != "http", u.Hostname() == "":
		return nil, fmt.Errorf("ping url: %s: it holds no https:// or http:// address", path)
	}
	return &Target{url: u, client: &http.Client{
		Transport: &http.Transport{
			Proxy:             http.ProxyFromEnvironment,
			DisableKeepAlives: true,
		},
		// A redirect would carry the secret on to somebody else.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

func read(path string) ([]byte, error) {
	// A pipe in its place must not hang a backup.
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is not a regular file", path)
	case info.Mode().Perm()&0o077 != 0:
		return nil, fmt.Errorf("%s may be read by others than its owner (%s), and it is a secret: chmod 0600 %s", path, fs.FileMode(info.Mode().Perm()), path)
	}
	text, err := io.ReadAll(io.LimitReader(f, fileLimit+1))
	if err == nil && len(text) > fileLimit {
		err = fmt.Errorf("%s is larger than %d bytes", path, fileLimit)
	}
	return text, err
}

// Start says that a deed begins.
func (t *Target) Start(ctx context.Context) error { return t.send(ctx, "start", 1) }

// Success says that a deed was done.
func (t *Target) Success(ctx context.Context) error { return t.send(ctx, "", tries) }

// Fail says that a deed failed.
func (t *Target) Fail(ctx context.Context) error { return t.send(ctx, "fail", tries) }

// send gives a signal a few tries within Timeout.
func (t *Target) send(ctx context.Context, signal string, tries int) error {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	to := t.url
	if signal != "" {
		to = to.JoinPath(signal)
	}
	for try := 1; ; try++ {
		again, err := t.once(ctx, to)
		if err == nil {
			return nil
		}
		if !again || try == tries {
			return fmt.Errorf("ping: %w", err)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("ping: %w", err)
		case <-time.After(pause):
		}
	}
}

// once tries once, and says whether another try could do better.
func (t *Target) once(ctx context.Context, to *url.URL) (again bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, tryTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, to.String(), nil)
	if err != nil {
		return false, errors.New("the URL cannot be asked for")
	}
	request.Header.Set("User-Agent", "railiance")
	response, err := t.client.Do(request)
	if err != nil {
		return true, cause(err)
	}
	defer response.Body.Close()
	code := response.StatusCode
	if code/100 == 2 {
		return false, nil
	}
	// The status line's own words are the server's: they may repeat the address.
	err = fmt.Errorf("the service answered %d %s", code, http.StatusText(code))
	return code >= 500 || code == http.StatusTooManyRequests || code == http.StatusRequestTimeout, err
}

// cause says why no answer came, in words that quote nothing: the errors of
// net and net/http hold the address.
func cause(err error) error {
	var name *net.DNSError
	var certificate *tls.CertificateVerificationError
	var errno syscall.Errno
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		return errors.New("no answer in time")
	case errors.Is(err, context.Canceled):
		return context.Canceled
	case errors.As(err, &name):
		return errors.New("the name of its host is not known to the resolver")
	case errors.As(err, &certificate):
		return errors.New("the certificate of the service is not to be trusted")
	case errors.As(err, &errno):
		return errno
	}
	return errors.New("the connection failed")
}
