package davstore

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/railiance/railiance/tools/internal/mustrun"
	"github.com/railiance/railiance/tools/internal/store/storetest"
	"github.com/railiance/railiance/tools/internal/store/storetest/servers"
	"github.com/railiance/railiance/tools/internal/tell"
)

const large = 5 << 20

func method(name string) func(*http.Request) bool {
	return func(r *http.Request) bool { return r.Method == name }
}

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

// What passes is lived through, and the artifact is whole.
func TestPassing(t *testing.T) {
	server := servers.NewWebDAV(t)
	for name, test := range map[string]struct {
		rule servers.Rule
		size int64
	}{
		"busy when it is asked":  {times(3, method("PROPFIND"), servers.Fault{Status: 503}), large},
		"cut while it is asked":  {times(3, method("PROPFIND"), servers.Fault{CutReply: 200}), large},
		"busy at the end":        {times(3, method("MOVE"), servers.Fault{Status: 503}), large},
		"locked at the end":      {times(3, method("MOVE"), servers.Fault{Status: 423}), large},
		"answer lost at the end": {times(1, method("MOVE"), servers.Fault{Lost: true}), large},
		"small and cut":          {times(2, method("PUT"), servers.Fault{Cut: 100}), 1000},
		"small and busy":         {times(2, method("PUT"), servers.Fault{Status: 503, Early: true}), 1000},
		"slow":                   {times(1, method("PUT"), servers.Fault{Slow: 5 * time.Millisecond}), large},
		"cut while it is read":   {times(3, method("GET"), servers.Fault{CutReply: 1 << 20}), large},
		"busy when it is read":   {times(3, method("GET"), servers.Fault{Status: 502}), large},
	} {
		t.Run(name, func(t *testing.T) {
			s, dir := at(t, server, test.rule, func(c *Config) {
				if name == "slow" {
					c.stall = 500 * time.Millisecond
				}
			})
			if err := storetest.Put(guest(t, s), "disks", test.size); err != nil {
				t.Fatal(err)
			}
			storetest.Same(t, guest(t, s), "disks", test.size)
			holds(t, dir, "disks")
		})
	}
}

// What does not pass fails with a reason and a way out, soon, and leaves nothing.
func TestLasting(t *testing.T) {
	server := servers.NewWebDAV(t)
	always := int64(1 << 40)
	all := func(*http.Request) bool { return true }
	var told atomic.Bool // the password, to another server
	other := server.Harm(t, func(r *http.Request) servers.Fault {
		told.Store(told.Load() || r.Header.Get("Authorization") != "")
		return servers.Fault{Status: 201}
	})
	for name, test := range map[string]struct {
		rule       servers.Rule
		change     func(*Config)
		says, hint string
	}{
		"wrong password":   {change: func(c *Config) { c.Password = "not-the-password" }, says: "status 401", hint: "sops file"},
		"untrusted":        {change: func(c *Config) { c.CA = "" }, says: "certificate is not trusted", hint: `"ca" of the store`},
		"forbidden":        {rule: times(always, method("PUT"), servers.Fault{Status: 403}), says: "status 403", hint: "let the user write"},
		"no room":          {rule: times(always, method("PUT"), servers.Fault{Status: 507}), says: "status 507", hint: "there is no room"},
		"no room, at once": {rule: times(always, method("PUT"), servers.Fault{Status: 507, Early: true}), says: "status 507", hint: "there is no room"},
		"too large":        {rule: times(always, method("PUT"), servers.Fault{Status: 413, Early: true}), says: "status 413", hint: "raise the limit"},
		"being maintained": {rule: times(always, all, servers.Fault{Status: 503}), says: "tried 6 times", hint: "being maintained"},
		"cut":              {rule: times(always, method("PUT"), servers.Fault{Cut: 1 << 20}), says: "disks: "},
		"stands still": {rule: times(always, method("PUT"), servers.Fault{StandsStill: true}), says: "the connection stands still",
			change: func(c *Config) { c.stall = 500 * time.Millisecond }},
		"says yes too soon": {rule: times(always, method("PUT"), servers.Fault{Status: 201, Early: true}), says: "before it was sent"},
		"loses the end":     {rule: times(always, method("PUT"), servers.Fault{Keep: 1 << 20}), says: "the server has 1048576", hint: "lose uploads without a length"},
		"keeps nothing":     {rule: times(always, method("PUT"), servers.Fault{Status: 201}), says: "the server has 0", hint: "lose uploads"},
		"locked":            {rule: times(always, method("MOVE"), servers.Fault{Status: 423}), says: "status 423", hint: "holds a lock"},
		"answer lost": {rule: times(always, func(r *http.Request) bool {
			return r.Method == "MOVE" || r.Method == "PROPFIND" && strings.Contains(r.URL.Path, "disks")
		},
			servers.Fault{Cut: 1}), says: "disks: "},
		"moved":       {rule: times(always, all, servers.Fault{Status: 302, Header: map[string]string{"Location": other}}), says: "status 302", hint: "another address"},
		"no WebDAV":   {rule: times(always, all, servers.Fault{Status: 200, Body: "<html>\x1b[31m"}), says: "status 200"},
		"a long list": {rule: times(always, method("PROPFIND"), servers.Fault{Status: 207, Body: "<a>" + strings.Repeat("x", 33<<20)}), says: "more than"},
	} {
		t.Run(name, func(t *testing.T) {
			s, dir := at(t, server, test.rule, func(c *Config) {
				if test.change != nil {
					test.change(c)
				}
			})
			err := storetest.Put(guest(t, s), "disks", large)
			if err == nil || !strings.Contains(err.Error(), test.says) || errors.Is(err, fs.ErrExist) {
				t.Fatalf("%v, want %s", err, test.says)
			}
			hints := strings.Join(tell.Hints(err), "\n")
			if !strings.Contains(hints, test.hint) {
				t.Errorf("hints %q, want %s", hints, test.hint)
			}
			for _, secret := range []string{s.password, server.Password, "\x1b"} {
				if strings.Contains(err.Error()+hints, secret) {
					t.Errorf("%q is in: %v", secret, err)
				}
			}
			if name != "answer lost" {
				holds(t, dir)
			}
		})
	}
	if told.Load() {
		t.Error("another server was told the password")
	}
}

// The disk of a real server runs full.
func TestDiskFull(t *testing.T) {
	mustrun.Root(t)
	s, dir := at(t, servers.NewWebDAV(t), nil)
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=2m,mode=0777"); err != nil {
		mustrun.Skip(t, "the right to mount")
	}
	defer func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	}()
	if err := storetest.Put(guest(t, s), "kept", 1000); err != nil {
		t.Fatal(err)
	}
	err := storetest.Put(guest(t, s), "disks", large)
	if err == nil || !strings.Contains(err.Error(), "status 507") || len(tell.Hints(err)) == 0 {
		t.Errorf("%v", err)
	}
	holds(t, dir, "kept")
	storetest.Same(t, guest(t, s), "kept", 1000)
}

// Hours may pass before a dump has the next bytes. That is no fault of the network.
func TestSlowDump(t *testing.T) {
	s, dir := at(t, servers.NewWebDAV(t), nil, func(c *Config) { c.stall = time.Second })
	err := guest(t, s).Put(context.Background(), "disks", func(w io.Writer) error {
		for range 3 {
			if _, err := w.Write(make([]byte, small)); err != nil {
				return err
			}
			time.Sleep(2 * time.Second)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	holds(t, dir, "disks")
}

// Half of one artifact and half of another must not be read as one.
func TestReplacedWhileRead(t *testing.T) {
	s, dir := at(t, servers.NewWebDAV(t), times(1, method("GET"), servers.Fault{CutReply: 1 << 20}))
	if err := storetest.Put(guest(t, s), "disks", large); err != nil {
		t.Fatal(err)
	}
	r, err := guest(t, s).Open(context.Background(), "disks")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := io.CopyN(io.Discard, r, 100); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "vm-1", "disks")
	if err := errors.Join(os.Remove(path), os.WriteFile(path, make([]byte, large), 0o644)); err != nil {
		t.Fatal(err)
	}
	if n, err := io.Copy(io.Discard, r); err == nil {
		t.Errorf("%d bytes are read, and no error", n)
	}
}
