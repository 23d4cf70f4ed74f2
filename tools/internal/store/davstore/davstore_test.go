package davstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/railiance/railiance/tools/internal/store"
	"github.com/railiance/railiance/tools/internal/store/storetest"
	"github.com/railiance/railiance/tools/internal/store/storetest/servers"
)

// at is a site on the server, in a folder of its own, which may be reached
// through a proxy that does harm; and the folder on disk.
func at(t *testing.T, server *servers.WebDAV, rule servers.Rule, change ...func(*Config)) (*Site, string) {
	t.Helper()
	name := fmt.Sprintf("site-%d", time.Now().UnixNano())
	dir := filepath.Join(server.Dir, name)
	// Apache is another user. The umask does not reach Chmod.
	if err := errors.Join(os.Mkdir(dir, 0o777), os.Chmod(dir, 0o777)); err != nil {
		t.Fatal(err)
	}
	c := Config{URL: server.URL + "/" + name, CA: server.CA, User: server.User, Password: server.Password}
	if rule != nil {
		c.URL = server.Harm(t, rule) + "/" + name
	}
	for _, f := range change {
		f(&c)
	}
	s, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	s.pause = 5 * time.Millisecond
	return s, dir
}

func TestSite(t *testing.T) {
	server := servers.NewWebDAV(t)
	storetest.RunSite(t, func(t *testing.T) store.Site { s, _ := at(t, server, nil); return s })
}

// guest is the store that the tests put to.
func guest(t *testing.T, s *Site) store.Store {
	t.Helper()
	st, err := s.Store(context.Background(), "vm-1")
	if err != nil {
		t.Fatal(err)
	}
	return st
}

// holds says what lies in the folder of vm-1 on the server's disk, once the server
// has seen that a connection is gone.
func holds(t *testing.T, dir string, want ...string) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		files, err := os.ReadDir(filepath.Join(dir, "vm-1"))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
		var names []string
		for _, file := range files {
			names = append(names, file.Name())
		}
		if slices.Equal(names, want) {
			return
		}
		if time.Now().After(deadline) {
			t.Errorf("the server holds %q, want %q", names, want)
			return
		}
	}
}

// Whether an artifact goes as a whole or as a stream, it comes back as it was.
func TestSizes(t *testing.T) {
	s, dir := at(t, servers.NewWebDAV(t), nil)
	var names []string
	for _, size := range []int64{0, small - 1, small, small + 1, 5 << 20} {
		name := fmt.Sprintf("disks-%07d", size)
		if err := storetest.Put(guest(t, s), name, size); err != nil {
			t.Fatal(err)
		}
		storetest.Same(t, guest(t, s), name, size)
		names = append(names, name)
	}
	holds(t, dir, names...)
}

// Folders that are missing are made by the first backup. Until then nothing
// takes them for empty: the address may be wrong.
func TestFolderMissing(t *testing.T) {
	server := servers.NewWebDAV(t)
	s, _ := at(t, server, nil, func(c *Config) { c.URL += "/a/b c/d" })
	ctx := context.Background()
	_, listErr := guest(t, s).List(ctx, "")
	_, namesErr := s.Names(ctx)
	_, openErr := guest(t, s).Open(ctx, "a")
	_, sweepErr := s.Sweep(ctx, "vm-1")
	for deed, err := range map[string]error{"list": listErr, "names": namesErr, "open": openErr, "sweep": sweepErr, "remove": guest(t, s).Remove(ctx, "a")} {
		if err == nil || errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: %v, want an error that is not of an artifact", deed, err)
		}
	}
	if err := storetest.Put(guest(t, s), "a", 10); err != nil {
		t.Fatal(err)
	}
	if err := s.Check(ctx, 0); err != nil {
		t.Error(err)
	}
	if names, err := s.Names(ctx); err != nil || !slices.Equal(names, []string{"vm-1"}) {
		t.Errorf("%q, %v", names, err)
	}
}

// A killed run leaves drafts, and the claim to a name if it was about to give
// one. No list shows them; a sweep takes them and nothing else.
func TestKilled(t *testing.T) {
	s, dir := at(t, servers.NewWebDAV(t), nil)
	if err := storetest.Put(guest(t, s), "kept", 10); err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	for _, name := range []string{"vm-1/" + store.DraftPrefix + "disks-X", "vm-1/" + store.DraftPrefix + "claim-disks", store.DraftPrefix + "check-X"} {
		if err := s.ask(ctx, "MKCOL", s.at(name), nil, "", 201); err != nil {
			t.Fatal(err)
		}
	}
	entries, err := guest(t, s).List(ctx, "")
	if err != nil || len(entries) != 1 || entries[0].Name != "kept" || entries[0].Size != 10 || time.Since(entries[0].Modified).Abs() > time.Hour {
		t.Errorf("list: %v, %v", entries, err)
	}
	if err := storetest.Put(guest(t, s), "disks", 10); err == nil {
		t.Error("somebody else's claim was not heeded")
	}
	swept, err := s.Sweep(ctx, "vm-1")
	if err != nil || !slices.Equal(swept, []string{store.DraftPrefix + "claim-disks", store.DraftPrefix + "disks-X"}) {
		t.Errorf("swept %q, %v", swept, err)
	}
	holds(t, dir, "kept")
	if left, err := filepath.Glob(filepath.Join(dir, ".draft-*")); err != nil || len(left) > 0 {
		t.Errorf("%q, %v", left, err)
	}
	if err := storetest.Put(guest(t, s), "disks", 10); err != nil {
		t.Error(err)
	}
}

// Of many who want one name only one may be at the move: two moves at once can
// both succeed, and the server says so to neither.
func TestOneMoves(t *testing.T) {
	var moving, most atomic.Int64
	s, dir := at(t, servers.NewWebDAV(t), func(r *http.Request) servers.Fault {
		if r.Method == "MOVE" {
			most.Store(max(most.Load(), moving.Add(1)))
			time.Sleep(400 * time.Millisecond)
			moving.Add(-1)
		}
		return servers.Fault{}
	})
	s.pause = 50 * time.Millisecond
	if err := storetest.Put(guest(t, s), "first", 1); err != nil {
		t.Fatal(err)
	}
	most.Store(0)
	const many = 4
	var together sync.WaitGroup
	together.Add(many)
	won := make(chan error, many)
	for range many {
		go func() {
			won <- guest(t, s).Put(context.Background(), "disks", func(w io.Writer) error {
				together.Done()
				together.Wait() // all have found the name free
				_, err := w.Write(make([]byte, 1000))
				return err
			})
		}()
	}
	winners := 0
	for range many {
		if err := <-won; err == nil {
			winners++
		} else if !errors.Is(err, os.ErrExist) {
			t.Error(err)
		}
	}
	if winners != 1 || most.Load() != 1 {
		t.Errorf("%d won, and up to %d moved at once", winners, most.Load())
	}
	holds(t, dir, "disks", "first")
}

// A dump that breaks after megabytes leaves nothing, however it breaks.
func TestDumpBreaks(t *testing.T) {
	server := servers.NewWebDAV(t)
	storetest.Breaks(t, large, func(t *testing.T) (store.Store, func(*testing.T)) {
		s, dir := at(t, server, nil)
		return guest(t, s), func(t *testing.T) { holds(t, dir) }
	})
}

// A server that has the whole body stores it, whoever has gone: the draft is
// removed after that.
func TestStoppedWhileTheServerStores(t *testing.T) {
	for _, size := range []int{1000, large} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			ctx, stop := context.WithCancelCause(t.Context())
			defer stop(nil)
			why := errors.New("the operator has seen enough")
			var draft atomic.Bool
			server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				switch r.Method {
				case http.MethodPut:
					_, _ = io.Copy(io.Discard, r.Body)
					stop(why)
					time.Sleep(100 * time.Millisecond)
					draft.Store(true)
					w.WriteHeader(http.StatusCreated)
				case http.MethodDelete:
					draft.Store(false)
					w.WriteHeader(http.StatusNoContent)
				}
			}))
			s, err := New(Config{URL: server.URL})
			if err != nil {
				t.Fatal(err)
			}
			s.client = server.Client()
			u := (&folder{s, "vm-1"}).upload(ctx, "disks")
			if _, err := u.Write(make([]byte, size)); err != nil {
				t.Fatal(err)
			}
			if err := u.finish(); !errors.Is(err, why) {
				t.Error(err)
			}
			u.abort()
			server.Close() // waits for what it still does
			if draft.Load() {
				t.Error("the draft is left")
			}
		})
	}
}
