// Package davstore keeps artifacts on a WebDAV server such as Nextcloud. The one
// thing to know: an artifact is sent under the name of a draft, looked at, and
// then moved to its own; WebDAV itself does not promise that of two who move to
// one name only one succeeds, so a folder is made first that only one can make.
package davstore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/railiance/railiance/tools/internal/store"
	"github.com/railiance/railiance/tools/internal/store/wire"
	"github.com/railiance/railiance/tools/internal/tell"
)

// Config is where a site is and how to be let in.
type Config struct {
	URL      string // https://host/path of a folder
	CA       string // file of the certificates to trust; empty: the system's
	User     string
	Password string // of an app, where the server has such

	stall time.Duration // 0: as wire has it
}

// Site is a site in a folder of a WebDAV server.
type Site struct {
	base     *url.URL
	client   *http.Client
	user     string
	password string
	wrote    atomic.Bool // a Check has written: the next ones only look
	// What tests make smaller.
	pause time.Duration // before a second try
}

// New returns the site that c describes. It reaches for nothing.
func New(c Config) (*Site, error) {
	u, err := url.Parse(c.URL)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, errors.New("store: the url is no https:// address of a WebDAV folder") // not quoted: it may hold a password
	}
	next, err := wire.New(c.CA, cmp.Or(c.stall, wire.Stall))
	if err != nil {
		return nil, fmt.Errorf("store: %s: %w", u.Host, err)
	}
	u.Path, u.RawPath = strings.TrimRight(u.Path, "/"), ""
	return &Site{base: u, user: c.User, password: c.Password, pause: time.Second, client: &http.Client{
		Transport: next,
		// Another server is not to get what was meant for this one.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// Where is the address of the folder.
func (s *Site) Where() string { return s.base.String() }

// at is the address of what lies below the folder.
func (s *Site) at(names ...string) *url.URL {
	u := *s.base
	u.Path = strings.Join(append([]string{u.Path}, names...), "/")
	return &u
}

// do sends a request and wants one of the statuses. The caller closes the body.
func (s *Site) do(ctx context.Context, method string, u *url.URL, header map[string]string, body io.Reader, want ...int) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, u.String(), body)
	if err != nil {
		return nil, err
	}
	for key, value := range header {
		req.Header.Set(key, value)
	}
	req.SetBasicAuth(s.user, s.password)
	resp, err := s.client.Do(req)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(want, resp.StatusCode) {
		_ = resp.Body.Close()
		return nil, &refusal{method, resp.StatusCode}
	}
	return resp, nil
}

// ask is do for requests that may be sent twice and whose answer is a status.
func (s *Site) ask(ctx context.Context, method string, u *url.URL, header map[string]string, body string, want ...int) error {
	return s.try(ctx, func() error {
		resp, err := s.do(ctx, method, u, header, strings.NewReader(body), want...)
		if err != nil {
			return err
		}
		return resp.Body.Close()
	})
}

// Store returns the store in the folder called name.
func (s *Site) Store(_ context.Context, name string) (store.Store, error) {
	if err := store.CheckName(name); err != nil {
		return nil, err
	}
	return &folder{s, name}, nil
}

// Names returns the folders that hold artifacts.
func (s *Site) Names(ctx context.Context) ([]string, error) {
	all, err := s.propfind(ctx, s.base, "1")
	if err != nil {
		return nil, s.explain("list", s.away(err))
	}
	var names []string
	for _, e := range all {
		if !e.folder || e.name == "" || store.CheckName(e.name) != nil {
			continue
		}
		entries, err := (&folder{s, e.name}).List(ctx, "")
		if err != nil {
			return nil, err
		}
		if len(entries) > 0 {
			names = append(names, e.name)
		}
	}
	slices.Sort(names)
	return names, nil
}

// away keeps a folder that is not there from looking like an empty store.
func (s *Site) away(err error) error {
	if !missing(err) {
		return err
	}
	return tell.Hint(errors.New("there is no such folder (status 404)"), "mend the url in the cluster context; a backup makes the folder if it is new")
}

func missing(err error) bool { return status(err) == http.StatusNotFound }
