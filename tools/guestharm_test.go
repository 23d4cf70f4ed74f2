package tools_test

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/railiance/railiance/tools/internal/clustercontext"
	"github.com/railiance/railiance/tools/internal/layertest"
	"github.com/railiance/railiance/tools/internal/store/storetest/servers"
)

// remote is the servers that all scripts of a test share; each has a bucket and
// a folder of its own, behind a proxy of its own.
type remote struct {
	t     *testing.T
	s3    *servers.S3
	dav   *servers.WebDAV
	count atomic.Int64
}

// harms is what the proxies of a script do, until it says otherwise.
type harms struct {
	mu      sync.Mutex
	s3, dav servers.Rule
}

func (h *harms) rule(which *servers.Rule) servers.Rule {
	return func(r *http.Request) servers.Fault {
		h.mu.Lock()
		rule := *which
		h.mu.Unlock()
		if rule == nil {
			return servers.Fault{}
		}
		return rule(r)
	}
}

func (r *remote) site(env *testscript.Env, g *guests) ([]clustercontext.Store, error) {
	name := fmt.Sprintf("guests-%d", r.count.Add(1))
	g.sites["bucket"], g.sites["cloud"] = filepath.Join(r.s3.Dir, name), filepath.Join(r.dav.Dir, name)
	// The servers look for changes on disk, so that a bucket is made as a folder;
	// Apache writes as somebody else than root.
	if err := errors.Join(os.Mkdir(g.sites["bucket"], 0o755), os.Mkdir(g.sites["cloud"], 0o755), os.Chmod(g.sites["cloud"], 0o777)); err != nil {
		return nil, err
	}
	g.harms = &harms{}
	for name, value := range map[string]string{
		"RAILIANCE_BUCKET_ACCESS_KEY": r.s3.AccessKey, "RAILIANCE_BUCKET_SECRET_KEY": r.s3.SecretKey,
		"RAILIANCE_CLOUD_USER": r.dav.User, "RAILIANCE_CLOUD_PASSWORD": r.dav.Password,
	} {
		env.Setenv(name, value)
	}
	return []clustercontext.Store{
		{Name: "bucket", Type: clustercontext.StoreS3, Endpoint: r.s3.Harm(r.t, g.harms.rule(&g.harms.s3)), Bucket: name, PathStyle: true, CA: r.s3.CA, Credentials: "none.sops.yaml"},
		{Name: "cloud", Type: clustercontext.StoreWebDAV, URL: r.dav.Harm(r.t, g.harms.rule(&g.harms.dav)) + "/" + name, CA: r.dav.CA, Credentials: "none.sops.yaml"},
	}, nil
}

const (
	slowDown = `<?xml version="1.0"?><Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>`
	skewed   = `<Error><Code>RequestTimeTooSkewed</Code><Message>The difference between the request time and the server's time is too large.</Message></Error>`
)

func sends(r *http.Request) bool { return r.Method == http.MethodPut || r.Method == http.MethodPost }

// harm has a server do harm from now on: harm s3|dav none|busy|full|skewed|slow,
// harm s3 cut PART [TIMES].
func harm(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: harm s3|dav WHAT…")
	}
	var rule servers.Rule
	when := func(match func(*http.Request) bool, f servers.Fault) servers.Rule {
		return func(r *http.Request) servers.Fault {
			if match(r) {
				return f
			}
			return servers.Fault{}
		}
	}
	switch args[1] {
	case "none":
	case "busy":
		rule = when(sends, servers.Fault{Status: 503, Body: slowDown})
	case "full":
		rule = when(sends, servers.Fault{Status: http.StatusInsufficientStorage, Early: true})
	case "skewed":
		date := time.Now().Add(3 * time.Hour).UTC().Format(http.TimeFormat)
		rule = when(func(*http.Request) bool { return true }, servers.Fault{Status: 403, Body: skewed, Header: map[string]string{"Date": date}})
	case "slow":
		rule = when(sends, servers.Fault{Slow: 3 * time.Millisecond})
	case "cut":
		left := int64(1 << 40)
		if len(args) == 4 {
			n, err := strconv.ParseInt(args[3], 10, 64)
			ts.Check(err)
			left = n
		}
		rule = func(r *http.Request) servers.Fault {
			if r.URL.Query().Get("partNumber") == args[2] && atomic.AddInt64(&left, -1) >= 0 {
				return servers.Fault{Cut: 1 << 20}
			}
			return servers.Fault{}
		}
	default:
		ts.Fatalf("harm: %s is none", args[1])
	}
	h := guestsOf(ts).harms
	h.mu.Lock()
	defer h.mu.Unlock()
	if args[0] == "s3" {
		h.s3 = rule
	} else {
		h.dav = rule
	}
}

// mountSmall puts a small disk over a folder, which takes root: mount DIR 16m.
// What was in the folder is on it.
func mountSmall(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: mount DIR SIZE")
	}
	dir := ts.MkAbs(args[0])
	aside := filepath.Join(guestsOf(ts).dir, "aside")
	ts.Check(os.CopyFS(aside, os.DirFS(dir)))
	unmount, err := layertest.Mount(dir, args[1])
	ts.Check(err)
	ts.Defer(unmount)
	ts.Check(os.CopyFS(dir, os.DirFS(aside)))
	ts.Check(os.RemoveAll(aside))
}

// eventually waits for a line in what nodes were asked to do since the cluster
// was last changed: eventually TEXT.
func eventually(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: eventually TEXT")
	}
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		g := guestsOf(ts)
		calls, err := g.Calls()
		ts.Check(err)
		for _, c := range calls[g.called:] {
			if strings.Contains(c, args[0]) {
				return
			}
		}
	}
	ts.Fatalf("nothing did %q within 30 s", args[0])
}
