package ping

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/railiance/railiance/tools/internal/mustrun"
)

// secret stands in every URL of these tests, and in no error.
const secret = "c0ffee00-dead-beef"

// service is a dead-man service that answers by what answers tells of the n-th
// request, from 1 on.
func service(t *testing.T, answer func(n int, w http.ResponseWriter, r *http.Request)) (base string, asked func() []string) {
	t.Helper()
	var mu sync.Mutex
	var paths []string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		paths = append(paths, r.Method+" "+r.URL.RequestURI())
		n := len(paths)
		mu.Unlock()
		answer(n, w, r)
	}))
	t.Cleanup(s.Close)
	return s.URL, func() []string {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(paths)
	}
}

func write(t *testing.T, text string, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ping-url")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	return path
}

func target(t *testing.T, url string) *Target {
	t.Helper()
	to, err := Load(write(t, url+"\n", 0o600))
	if err != nil {
		t.Fatal(err)
	}
	return to
}

func quotesNothing(t *testing.T, err error, parts ...string) {
	t.Helper()
	for _, part := range append(parts, secret) {
		if err != nil && strings.Contains(err.Error(), part) {
			t.Errorf("the error quotes %q: %v", part, err)
		}
	}
}

func TestSignals(t *testing.T) {
	fine := func(_ int, w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "OK") }
	for _, tt := range []struct {
		path   string
		signal func(*Target, context.Context) error
		want   string
	}{
		{"/" + secret, (*Target).Start, "/" + secret + "/start"},
		{"/" + secret, (*Target).Success, "/" + secret},
		{"/" + secret, (*Target).Fail, "/" + secret + "/fail"},
		{"/" + secret + "/", (*Target).Fail, "/" + secret + "/fail"},
		{"/push/" + secret + "?status=up", (*Target).Success, "/push/" + secret + "?status=up"},
		{"/push/" + secret + "?status=up", (*Target).Start, "/push/" + secret + "/start?status=up"},
	} {
		base, asked := service(t, fine)
		if err := tt.signal(target(t, base+tt.path), t.Context()); err != nil {
			t.Errorf("%s: %v", tt.want, err)
		}
		if got := asked(); !slices.Equal(got, []string{"GET " + tt.want}) {
			t.Errorf("the service was asked for %v, not once for %s", got, tt.want)
		}
	}
}

func TestTries(t *testing.T) {
	failing := func(code, until int) func(int, http.ResponseWriter, *http.Request) {
		return func(n int, w http.ResponseWriter, r *http.Request) {
			if n < until {
				http.Error(w, r.URL.Path, code)
			}
		}
	}
	for _, tt := range []struct {
		name   string
		answer func(int, http.ResponseWriter, *http.Request)
		signal func(*Target, context.Context) error
		asked  int
		err    string // "": it gets through
	}{
		{"a service that stumbles twice", failing(503, 3), (*Target).Success, 3, ""},
		{"a service that is down", failing(503, 99), (*Target).Success, 3, "503 Service Unavailable"},
		{"a busy service", failing(429, 2), (*Target).Fail, 2, ""},
		{"a URL that the service does not know", failing(404, 99), (*Target).Success, 1, "404 Not Found"},
		{"the start delays a backup by one try only", failing(503, 99), (*Target).Start, 1, "503 Service Unavailable"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			base, asked := service(t, tt.answer)
			err := tt.signal(target(t, base+"/"+secret), t.Context())
			quotesNothing(t, err, base)
			switch {
			case tt.err == "" && err != nil:
				t.Error(err)
			case tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)):
				t.Errorf("got %v, want %q in it", err, tt.err)
			}
			if n := len(asked()); n != tt.asked {
				t.Errorf("asked %d times, not %d", n, tt.asked)
			}
		})
	}
}

func TestRedirectDoesNotCarryTheSecretOn(t *testing.T) {
	other, otherAsked := service(t, func(int, http.ResponseWriter, *http.Request) {})
	base, _ := service(t, func(_ int, w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, other+r.URL.Path, http.StatusMovedPermanently)
	})
	err := target(t, base+"/"+secret).Success(t.Context())
	if err == nil || !strings.Contains(err.Error(), "301") {
		t.Errorf("a redirect counted as success: %v", err)
	}
	quotesNothing(t, err, other)
	if asked := otherAsked(); len(asked) > 0 {
		t.Errorf("the other server got %v", asked)
	}
}

func TestErrorsQuoteNothing(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone := closed.Addr().String()
	if err := closed.Close(); err != nil {
		t.Fatal(err)
	}
	untrusted := httptest.NewUnstartedServer(http.NotFoundHandler())
	untrusted.Config.ErrorLog = log.New(io.Discard, "", 0)
	untrusted.StartTLS()
	defer untrusted.Close()
	noise, _ := service(t, func(_ int, w http.ResponseWriter, _ *http.Request) {
		c, _, err := w.(http.Hijacker).Hijack()
		if err == nil {
			fmt.Fprintf(c, "%s is what you asked for\r\n\r\n", secret)
			_ = c.Close()
		}
	})
	for _, tt := range []struct{ url, want string }{
		{"http://" + gone + "/" + secret, "connection refused"},
		{"http://" + secret + ".invalid/", "resolver"},
		{untrusted.URL + "/" + secret, "not to be trusted"},
		{noise + "/" + secret, "the connection failed"},
	} {
		err := target(t, tt.url).Start(t.Context())
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("got %v, want %q in it", err, tt.want)
		}
		quotesNothing(t, err, gone, untrusted.URL, noise)
	}
}

func TestSilentServiceIsNotWaitedFor(t *testing.T) {
	mustrun.Long(t)
	t.Parallel()
	release := make(chan struct{})
	base, _ := service(t, func(int, http.ResponseWriter, *http.Request) { <-release })
	defer close(release)
	for _, tt := range []struct {
		signal func(*Target, context.Context) error
		bound  time.Duration
	}{
		{(*Target).Start, tryTimeout},
		{(*Target).Success, Timeout},
	} {
		begin := time.Now()
		err := tt.signal(target(t, base+"/"+secret), t.Context())
		if err == nil || !strings.Contains(err.Error(), "no answer in time") {
			t.Errorf("got %v", err)
		}
		if took := time.Since(begin); took > tt.bound+2*time.Second {
			t.Errorf("it took %s, more than %s", took, tt.bound)
		}
	}
}

func TestLoadRefuses(t *testing.T) {
	good := "https://hc.example/" + secret
	for _, tt := range []struct {
		name, text string
		mode       os.FileMode
		want       string
	}{
		{"a file that others can read", good, 0o644, "chmod 0600"},
		{"a file that a group can read", good, 0o640, "chmod 0600"},
		{"an empty file", "", 0o600, "no https://"},
		{"two lines", good + "\n" + good, 0o600, "one URL"},
		{"another scheme", "file:///" + secret, 0o600, "no https://"},
		{"no host", "https:///" + secret, 0o600, "no https://"},
		{"a port that is none", "https://hc.example:" + secret + "/", 0o600, "one URL"},
		{"a control character", "https://hc.example/\x00" + secret, 0o600, "one URL"},
		{"a large file", good + strings.Repeat("x", fileLimit), 0o600, "larger than"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			to, err := Load(write(t, tt.text, tt.mode))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, %v, want %q in the error", to, err, tt.want)
			}
			quotesNothing(t, err, "hc.example")
		})
	}
	if _, err := Load(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("a missing file is no error")
	}
	if _, err := Load(t.TempDir()); err == nil || !strings.Contains(err.Error(), "regular") {
		t.Errorf("a folder: %v", err)
	}
}

func FuzzLoad(f *testing.F) {
	f.Add([]byte("https://hc.example/" + secret))
	f.Add([]byte("http://[::1]:80/%zz"))
	f.Fuzz(func(t *testing.T, text []byte) {
		to, err := Load(write(t, string(text), 0o600))
		if err == nil && (to.url.Hostname() == "" || to.url.JoinPath("fail").Host != to.url.Host) {
			t.Errorf("%q leads to no host, or to another one", text)
		}
		if err != nil && len(text) > 40 && bytes.ContainsAny(text, "/:") && strings.Contains(err.Error(), string(bytes.TrimSpace(text))) {
			t.Errorf("the error quotes the file: %v", err)
		}
	})
}
