package servers

import (
	"crypto/tls"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"testing"
	"time"
)

// Fault is the harm that is done to one request. The zero Fault does none.
type Fault struct {
	Status      int               // answered instead of the server
	Body        string            // with Status
	Header      map[string]string // with Status
	Early       bool              // with Status: before the request's body was read
	Cut         int64             // the connection breaks after so many bytes of the request's body; 0: not
	CutReply    int64             // the connection breaks after so many bytes of the reply's body; 0: not
	Keep        int64             // only so many bytes of the request's body reach the server; 0: all
	Lost        bool              // the server does it, and the answer never comes
	StandsStill bool              // nothing is read and nothing answered
	Slow        time.Duration     // before each 64 KiB of the request's body
}

// Rule says which harm is done to a request. It is called by several goroutines.
type Rule func(*http.Request) Fault

func harm(t testing.TB, server string, cert certificate, rule Rule) string {
	t.Helper()
	to, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	over := make(chan struct{})
	proxy := &httputil.ReverseProxy{
		// The host stays as the client signed it.
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host, r.Out.Host = to.Scheme, to.Host, r.In.Host
		},
		Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}},
		ErrorLog:  log.New(io.Discard, "", 0),
	}
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f := rule(r)
		switch {
		case f.Status != 0:
			if !f.Early {
				_, _ = io.Copy(io.Discard, r.Body)
			}
			for key, value := range f.Header {
				w.Header().Set(key, value)
			}
			w.WriteHeader(f.Status)
			_, _ = io.WriteString(w, f.Body)
			return
		case f.StandsStill:
			<-over
			return
		case f.Cut > 0:
			_, _ = io.CopyN(io.Discard, r.Body, f.Cut)
			panic(http.ErrAbortHandler)
		case f.Lost:
			proxy.ServeHTTP(httptest.NewRecorder(), r)
			panic(http.ErrAbortHandler)
		}
		if f.Keep > 0 {
			r.Body, r.ContentLength = &keep{r.Body, f.Keep}, -1
		}
		if f.Slow > 0 {
			r.Body = &slow{r.Body, f.Slow}
		}
		if f.CutReply > 0 {
			w = &cutWriter{w, f.CutReply}
		}
		proxy.ServeHTTP(w, r)
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.TLS = &tls.Config{Certificates: []tls.Certificate{cert.pair}}
	s.StartTLS()
	t.Cleanup(func() { close(over); s.CloseClientConnections(); s.Close() })
	return s.URL
}

// keep takes all of a body and hands on its beginning.
type keep struct {
	io.ReadCloser
	left int64
}

func (k *keep) Read(p []byte) (int, error) {
	if k.left == 0 {
		if _, err := io.Copy(io.Discard, k.ReadCloser); err != nil {
			return 0, err
		}
		return 0, io.EOF
	}
	n, err := k.ReadCloser.Read(p[:min(int64(len(p)), k.left)])
	k.left -= int64(n)
	return n, err
}

type slow struct {
	io.ReadCloser
	pause time.Duration
}

func (s *slow) Read(p []byte) (int, error) {
	time.Sleep(s.pause)
	return s.ReadCloser.Read(p[:min(len(p), 64<<10)])
}

type cutWriter struct {
	http.ResponseWriter
	left int64
}

func (c *cutWriter) Write(p []byte) (int, error) {
	if int64(len(p)) > c.left {
		_, _ = c.ResponseWriter.Write(p[:c.left])
		_ = http.NewResponseController(c.ResponseWriter).Flush()
		panic(http.ErrAbortHandler)
	}
	c.left -= int64(len(p))
	return c.ResponseWriter.Write(p)
}

func (c *cutWriter) Unwrap() http.ResponseWriter { return c.ResponseWriter }
