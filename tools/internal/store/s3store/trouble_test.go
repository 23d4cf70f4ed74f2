package s3store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/railiance/railiance/tools/internal/store"
	"github.com/railiance/railiance/tools/internal/store/storetest"
	"github.com/railiance/railiance/tools/internal/store/storetest/servers"
	"github.com/railiance/railiance/tools/internal/tell"
)

const large = 3*partMin + 1000 // four parts

func partOf(number int) func(*http.Request) bool {
	return func(r *http.Request) bool {
		return r.Method == http.MethodPut && r.URL.Query().Get("partNumber") == fmt.Sprint(number)
	}
}

func complete(r *http.Request) bool {
	return r.Method == http.MethodPost && r.URL.Query().Has("uploadId")
}

func whole(r *http.Request) bool {
	return r.Method == http.MethodPut && !r.URL.Query().Has("partNumber")
}

func download(r *http.Request) bool { return r.Method == http.MethodGet && r.URL.RawQuery == "" }

// times does harm to the first n requests that match.
func times(n int64, match func(*http.Request) bool, f servers.Fault) servers.Rule {
	var left atomic.Int64
	left.Store(n)
	return func(r *http.Request) servers.Fault {
		if match(r) && left.Add(-1) >= 0 {
			return f
		}
		return servers.Fault{}
	}
}

const slowDown = `<?xml version="1.0"?><Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>`

// What passes is lived through, and the artifact is whole.
func TestPassing(t *testing.T) {
	server := servers.NewS3(t)
	for name, test := range map[string]struct {
		rule servers.Rule
		size int64
	}{
		"cut in part 3":               {times(2, partOf(3), servers.Fault{Cut: 1 << 20}), large},
		"busy in part 2":              {times(4, partOf(2), servers.Fault{Status: 503, Body: slowDown}), large},
		"busy before it has read":     {times(2, partOf(2), servers.Fault{Status: 503, Body: slowDown, Early: true}), large},
		"a bad gateway at the end":    {times(3, complete, servers.Fault{Status: 502, Body: "<html>"}), large},
		"slow":                        {times(4, partOf(1), servers.Fault{Slow: 2 * time.Millisecond}), large},
		"answer lost, small":          {times(1, whole, servers.Fault{Lost: true}), 1000},
		"answer lost at the end":      {times(1, complete, servers.Fault{Lost: true}), large},
		"answer to a part lost":       {times(1, partOf(3), servers.Fault{Lost: true}), large},
		"answer cut at the end":       {times(1, complete, servers.Fault{CutReply: 10}), large},
		"answers lost until too late": {times(100, complete, servers.Fault{Lost: true}), large},
		"cut while it is read":        {times(5, download, servers.Fault{CutReply: 1 << 20}), large},
		"busy when it is read":        {times(3, download, servers.Fault{Status: 503, Body: slowDown}), large},
		"still for a moment":          {times(1, partOf(2), servers.Fault{StandsStill: true}), large},
	} {
		t.Run(name, func(t *testing.T) {
			s := at(t, server, false, test.rule, func(c *Config) {
				if name == "slow" || name == "still for a moment" {
					c.stall = 500 * time.Millisecond
				}
			})
			if err := storetest.Put(guest(t, s), "disks", test.size); err != nil {
				t.Fatal(err)
			}
			storetest.Same(t, guest(t, s), "disks", test.size)
			if left := begun(t, server, s); len(left) > 0 {
				t.Errorf("unfinished uploads: %q", left)
			}
		})
	}
}

// What does not pass fails with a reason and a way out, soon, and leaves nothing.
func TestLasting(t *testing.T) {
	server := servers.NewS3(t)
	always := int64(1 << 40)
	all := func(*http.Request) bool { return true }
	skewed := `<Error><Code>RequestTimeTooSkewed</Code><Message>The difference between the request time and the server's time is too large.</Message></Error>`
	for name, test := range map[string]struct {
		rule       servers.Rule
		change     func(*Config)
		says, hint string
	}{
		"wrong secret": {change: func(c *Config) { c.SecretKey = "not-the-secret" }, says: "refuses the credentials", hint: "sops file"},
		"wrong key":    {change: func(c *Config) { c.AccessKey = "nobody" }, says: "refuses the credentials", hint: "sops file"},
		"bucket missing": {change: func(c *Config) { c.Bucket = "none-of-that-name" }, says: "the bucket does not exist",
			hint: "create the bucket none-of-that-name"},
		"clock skew": {rule: times(always, all, servers.Fault{Status: 403, Body: skewed, Header: map[string]string{"Date": time.Now().Add(3*time.Hour + 20*time.Second).UTC().Format(http.TimeFormat)}}),
			says: "the clocks differ too much; the server's is 3h0m0s ahead of ours", hint: "timedatectl"},
		"wrong region":    {change: func(c *Config) { c.Region = "mars-1" }, says: "region", hint: "us-east-1"},
		"untrusted":       {change: func(c *Config) { c.CA = "" }, says: "certificate is not trusted", hint: `"ca" of the store`},
		"cut in part 3":   {rule: times(always, partOf(3), servers.Fault{Cut: 1 << 20}), says: "part 3: tried 6 times"},
		"busy in part 2":  {rule: times(always, partOf(2), servers.Fault{Status: 503, Body: slowDown}), says: "part 2: the service is overloaded", hint: "again later"},
		"busy at the end": {rule: times(always, complete, servers.Fault{Status: 503, Body: slowDown}), says: "the service is overloaded", hint: "again later"},
		"still in part 1": {rule: times(always, partOf(1), servers.Fault{StandsStill: true}), says: "the connection stands still",
			change: func(c *Config) { c.stall = 500 * time.Millisecond }},
		"no room": {rule: times(always, partOf(4), servers.Fault{Status: 403, Body: `<Error><Code>QuotaExceeded</Code><Message>full</Message></Error>`}),
			says: "there is no room", hint: "quota"},
		"not allowed": {rule: times(always, partOf(1), servers.Fault{Status: 403, Body: `<Error><Code>AccessDenied</Code><Message>No.</Message></Error>`}),
			says: "do not allow this", hint: "s3:PutObject"},
		"no S3 at all": {rule: times(always, all, servers.Fault{Status: 418, Body: strings.Repeat("\x1b[31mtea", 1<<16)}), says: "refuses it"},
	} {
		t.Run(name, func(t *testing.T) {
			rule := test.rule
			if rule == nil {
				rule = func(*http.Request) servers.Fault { return servers.Fault{} }
			}
			bucket := ""
			s := at(t, server, false, rule, func(c *Config) {
				bucket = c.Bucket
				if test.change != nil {
					test.change(c)
				}
			})
			errs := map[string]error{"put": storetest.Put(guest(t, s), "disks", large)}
			if test.rule == nil || name == "clock skew" {
				_, errs["list"] = guest(t, s).List(context.Background(), "")
				_, errs["names"] = s.Names(context.Background())
				_, errs["open"] = guest(t, s).Open(context.Background(), "disks")
				errs["check"] = s.Check(context.Background(), 1)
			}
			for deed, err := range errs {
				if err == nil || !strings.Contains(err.Error(), test.says) || errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrExist) {
					t.Errorf("%s: %v, want %s", deed, err, test.says)
					continue
				}
				hints := strings.Join(tell.Hints(err), "\n")
				if !strings.Contains(hints, test.hint) || test.hint != "" && hints == "" {
					t.Errorf("%s: hints %q, want %s", deed, hints, test.hint)
				}
				for _, secret := range []string{s.SecretKey, server.SecretKey, "\x1b"} {
					if strings.Contains(err.Error()+hints, secret) {
						t.Errorf("%s: %q is in: %v", deed, secret, err)
					}
				}
				if len(err.Error()) > 1000 {
					t.Errorf("%s: the error has %d bytes", deed, len(err.Error()))
				}
			}
			s.Bucket = bucket
			nothing(t, server, s)
		})
	}
}

// Hours may pass before a dump has the next bytes. That is no fault of the network.
func TestSlowDump(t *testing.T) {
	server := servers.NewS3(t)
	s := at(t, server, false, nil, func(c *Config) { c.stall = time.Second })
	err := guest(t, s).Put(context.Background(), "disks", func(w io.Writer) error {
		for range 3 {
			if _, err := w.Write(make([]byte, partMin/2+1)); err != nil {
				return err
			}
			time.Sleep(2 * time.Second)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// Half of one artifact and half of another must not be read as one.
func TestReplacedWhileRead(t *testing.T) {
	server := servers.NewS3(t)
	s := at(t, server, false, times(1, download, servers.Fault{CutReply: 1 << 20}))
	st := guest(t, s)
	if err := storetest.Put(st, "disks", large); err != nil {
		t.Fatal(err)
	}
	r, err := st.Open(context.Background(), "disks")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := io.CopyN(io.Discard, r, 100); err != nil {
		t.Fatal(err)
	}
	if err := st.Remove(context.Background(), "disks"); err != nil {
		t.Fatal(err)
	}
	err = st.Put(context.Background(), "disks", func(w io.Writer) error {
		_, err := w.Write(make([]byte, large)) // as large, and other bytes
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if n, err := io.Copy(io.Discard, r); err == nil {
		t.Errorf("%d bytes are read, and no error", n)
	}
}

// A dump that breaks after some parts leaves nothing, however it breaks.
func TestDumpBreaks(t *testing.T) {
	server := servers.NewS3(t)
	storetest.Breaks(t, large, func(t *testing.T) (store.Store, func(*testing.T)) {
		s := at(t, server, false, nil)
		return guest(t, s), func(t *testing.T) { nothing(t, server, s) }
	})
}

// stoppedAtCommit stops each kind of Put when the server is asked to give the name,
// after meanwhile; after says what has to be there then.
func stoppedAtCommit(t *testing.T, meanwhile func(t *testing.T, s *Site), after func(t *testing.T, server *servers.S3, s *Site)) {
	server := servers.NewS3(t)
	for size, last := range map[int64]string{1000: http.MethodPut, large: http.MethodPost} {
		t.Run(last, func(t *testing.T) {
			ctx, stop := context.WithCancelCause(t.Context())
			defer stop(nil)
			why := errors.New("the operator has seen enough")
			var direct *Site
			s := at(t, server, false, func(r *http.Request) servers.Fault {
				if r.Method == last && strings.HasSuffix(r.URL.Path, "/disks") && !r.URL.Query().Has("uploads") {
					meanwhile(t, direct)
					stop(why)
				}
				return servers.Fault{}
			})
			direct = at(t, server, false, nil, func(c *Config) { c.Bucket = s.Bucket })
			err := guest(t, s).Put(ctx, "disks", func(w io.Writer) error {
				_, err := io.CopyN(w, rand.NewChaCha8([32]byte{1}), size)
				return err
			})
			if !errors.Is(err, why) {
				t.Error(err)
			}
			after(t, server, direct)
		})
	}
}

// A server that has all of it gives it its name, whoever has gone: it is taken
// back after that.
func TestStoppedWhileTheServerCommits(t *testing.T) {
	stoppedAtCommit(t, func(*testing.T, *Site) {}, nothing)
}

// Another one may have got the name just before: a run that is stopped then
// takes its own back, and never that one.
func TestStoppedWhileAnotherHasTheName(t *testing.T) {
	stoppedAtCommit(t, func(t *testing.T, s *Site) {
		if err := storetest.Put(guest(t, s), "disks", 6); err != nil {
			t.Error(err)
		}
	}, func(t *testing.T, server *servers.S3, s *Site) {
		storetest.Same(t, guest(t, s), "disks", 6)
		if left := begun(t, server, s); len(left) > 0 {
			t.Errorf("unfinished uploads are left: %q", left)
		}
	})
}
