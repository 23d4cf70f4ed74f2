package wire

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

// serve is a server over TLS, and what reaches it with a short patience.
func serve(t *testing.T, h http.HandlerFunc) (string, *http.Client) {
	t.Helper()
	s := httptest.NewTLSServer(h)
	t.Cleanup(func() { s.CloseClientConnections(); s.Close() })
	rt, err := New("", time.Second)
	if err != nil {
		t.Fatal(err)
	}
	rt.(*transport).next.(*http.Transport).TLSClientConfig.RootCAs = s.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	return s.URL, &http.Client{Transport: rt}
}

// Nothing is limited as a whole, and standing still is.
func TestStall(t *testing.T) {
	stop := make(chan struct{})
	defer close(stop)
	url, client := serve(t, func(w http.ResponseWriter, r *http.Request) {
		flush := http.NewResponseController(w).Flush
		switch r.URL.Path {
		case "/slow":
			for range 8 {
				time.Sleep(200 * time.Millisecond)
				_, _ = io.WriteString(w, "x")
				_ = flush()
			}
		case "/half":
			_, _ = io.WriteString(w, "x")
			_ = flush()
			<-stop
		case "/silent":
			<-stop
		case "/two":
			_, _ = io.WriteString(w, "x")
			_ = flush()
			_, _ = io.WriteString(w, "y")
		}
	})
	for path, stalls := range map[string]bool{"/slow": false, "/half": true, "/silent": true} {
		resp, err := client.Get(url + path)
		if err == nil {
			_, err = io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
		}
		if errors.Is(err, ErrStalled) != stalls || err != nil != stalls {
			t.Errorf("%s: %v", path, err)
		}
	}
	// Whoever reads slowly does not make the server slow.
	resp, err := client.Get(url + "/two")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	time.Sleep(1500 * time.Millisecond)
	if b, err := io.ReadAll(resp.Body); string(b) != "xy" {
		t.Errorf("%q, %v", b, err)
	}
}

func TestReplyWithoutEnd(t *testing.T) {
	url, client := serve(t, func(w http.ResponseWriter, r *http.Request) {
		piece := make([]byte, 1<<20)
		for range replyMax>>20 + 8 {
			if _, err := w.Write(piece); err != nil {
				return
			}
		}
	})
	for query, bounded := range map[string]bool{"": false, "?list": true} {
		resp, err := client.Get(url + "/" + query)
		if err != nil {
			t.Fatal(err)
		}
		n, err := io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		if bounded != (err != nil) || bounded && n > replyMax {
			t.Errorf("%q: %d bytes, %v", query, n, err)
		}
	}
}

func TestCertificatesToTrust(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, []byte("none"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, ca := range []string{empty, empty + "-missing"} {
		if _, err := New(ca, time.Second); err == nil || !strings.Contains(err.Error(), ca) {
			t.Errorf("%s: %v", ca, err)
		}
	}
}

// A reader goes on where it was, gives up in the end, and never ends early.
func TestReader(t *testing.T) {
	const text = "all of it"
	broken := errors.New("broken")
	for name, test := range map[string]struct {
		at    func(tries int, offset int64) (io.Reader, error)
		want  string
		fails error
	}{
		"at once": {func(int, int64) (io.Reader, error) { return strings.NewReader(text), nil }, text, nil},
		"a byte each": {func(_ int, at int64) (io.Reader, error) {
			return io.MultiReader(strings.NewReader(text[at:at+1]), iotest.ErrReader(broken)), nil
		}, text, nil},
		"an end too early": {func(_ int, at int64) (io.Reader, error) { return strings.NewReader(text[at:min(at+1, 5)]), nil }, text[:5], io.ErrUnexpectedEOF},
		"more than all":    {func(int, int64) (io.Reader, error) { return strings.NewReader(text + "more"), nil }, text, nil},
		"nothing for a while": {func(tries int, _ int64) (io.Reader, error) {
			if tries < Tries {
				return nil, broken
			}
			return strings.NewReader(text), nil
		}, text, nil},
		"nothing":       {func(int, int64) (io.Reader, error) { return nil, broken }, "", broken},
		"nothing again": {func(int, int64) (io.Reader, error) { return nil, &Final{broken} }, "", broken},
	} {
		t.Run(name, func(t *testing.T) {
			tries := 0
			r := &Reader{Context: context.Background(), Size: int64(len(text)), Pause: time.Microsecond, At: func(offset int64) (io.ReadCloser, error) {
				tries++
				body, err := test.at(tries, offset)
				if err != nil {
					return nil, err
				}
				return io.NopCloser(body), nil
			}}
			got, err := io.ReadAll(r)
			if string(got) != test.want || !errors.Is(err, test.fails) || (err == nil) != (test.fails == nil) {
				t.Errorf("%q, %v; want %q, %v", got, err, test.want, test.fails)
			}
			if name == "nothing again" && tries != 1 {
				t.Errorf("it was asked for %d times", tries)
			}
			if err := r.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestReaderStops(t *testing.T) {
	ctx, cancel := context.WithCancelCause(context.Background())
	cause := errors.New("it took too long")
	r := &Reader{Context: ctx, Size: 1, Pause: time.Hour, At: func(int64) (io.ReadCloser, error) {
		cancel(cause)
		return nil, errors.New("broken")
	}}
	if _, err := r.Read(make([]byte, 1)); !errors.Is(err, cause) {
		t.Errorf("%v", err)
	}
}
