// Package storetest is the one suite that every Store passes: what a backup
// relies on, whatever keeps the bytes.
package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/railiance/railiance/tools/internal/store"
)

// Run runs the suite. open gives an empty store.
func Run(t *testing.T, open func(t *testing.T) store.Store) {
	t.Helper()
	for name, test := range map[string]func(*testing.T, store.Store){
		"what was put is what is read":           roundtrip,
		"a name that is taken stays":             taken,
		"a write that fails leaves nothing":      failed,
		"a panic leaves nothing":                 panicked,
		"a run that was stopped leaves nothing":  stopped,
		"a name that is missing says so":         missing,
		"names that could leave are refused":     hostile,
		"a list is in order and of a prefix":     listed,
		"of two at once exactly one wins":        raced,
		"what is being written is not seen":      unseen,
		"a reader goes on when its name is gone": removedWhileRead,
	} {
		t.Run(name, func(t *testing.T) { test(t, open(t)) })
	}
}

// large is more than one chunk of age and more than any buffer on the way.
const large = 300_000

// streamed is more than a store keeps before it begins to send.
const streamed = 6 << 20

func content(seed byte, size int) []byte {
	b := make([]byte, size)
	for i := range b {
		b[i] = seed + byte(i*i>>3)
	}
	return b
}

func put(s store.Store, name string, b []byte) error {
	return s.Put(context.Background(), name, func(w io.Writer) error {
		_, err := w.Write(b)
		return err
	})
}

func get(t *testing.T, s store.Store, name string) []byte {
	t.Helper()
	r, err := s.Open(context.Background(), name)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(r)
	if err := errors.Join(err, r.Close()); err != nil {
		t.Fatal(err)
	}
	return b
}

func names(t *testing.T, s store.Store) []string {
	t.Helper()
	entries, err := s.List(context.Background(), "")
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, e := range entries {
		all = append(all, e.Name)
	}
	return all
}

// absent says that the store holds nothing, by every way of asking.
func absent(t *testing.T, s store.Store, name string) {
	t.Helper()
	if _, err := s.Open(context.Background(), name); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("open: %v, want fs.ErrNotExist", err)
	}
	if all := names(t, s); len(all) > 0 {
		t.Errorf("list: %q, want nothing", all)
	}
	if err := put(s, name, []byte("now")); err != nil {
		t.Errorf("the name cannot be used after: %v", err)
	}
}

func roundtrip(t *testing.T, s store.Store) {
	for name, b := range map[string][]byte{"empty": nil, "one": {7}, "etcd-20261121T020000Z.snap.age": content(1, large)} {
		err := s.Put(context.Background(), name, func(w io.Writer) error {
			// In uneven pieces, as a dump comes.
			for rest := b; len(rest) > 0; {
				n := min(len(rest), 777)
				if _, err := w.Write(rest[:n]); err != nil {
					return err
				}
				rest = rest[n:]
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if got := get(t, s, name); !bytes.Equal(got, b) {
			t.Errorf("%s: %d bytes come back of %d, or others", name, len(got), len(b))
		}
		if err := s.Remove(context.Background(), name); err != nil {
			t.Fatal(err)
		}
		absent(t, s, name)
		if err := s.Remove(context.Background(), name); err != nil {
			t.Fatal(err)
		}
	}
}

func taken(t *testing.T, s store.Store) {
	if err := put(s, "a", []byte("first")); err != nil {
		t.Fatal(err)
	}
	if err := put(s, "a", []byte("second")); !errors.Is(err, fs.ErrExist) {
		t.Errorf("put: %v, want fs.ErrExist", err)
	}
	if got := get(t, s, "a"); string(got) != "first" {
		t.Errorf("it holds %q now", got)
	}
	// Also when the name is taken while something is being written for it.
	err := s.Put(context.Background(), "b", func(w io.Writer) error {
		if err := put(s, "b", []byte("first")); err != nil {
			return err
		}
		_, err := io.WriteString(w, "second")
		return err
	})
	if !errors.Is(err, fs.ErrExist) {
		t.Errorf("late: %v, want fs.ErrExist", err)
	}
	if got := get(t, s, "b"); string(got) != "first" {
		t.Errorf("late: it holds %q now", got)
	}
}

func failed(t *testing.T, s store.Store) {
	broken := errors.New("the dump broke")
	err := s.Put(context.Background(), "a", func(w io.Writer) error {
		if _, err := w.Write(content(2, streamed)); err != nil {
			return err
		}
		return broken
	})
	if !errors.Is(err, broken) {
		t.Errorf("%v, want the error of the write", err)
	}
	absent(t, s, "a")
}

func panicked(t *testing.T, s store.Store) {
	func() {
		defer func() { _ = recover() }()
		_ = s.Put(context.Background(), "a", func(w io.Writer) error {
			_, _ = w.Write(content(2, streamed))
			panic("a bug in a kind")
		})
	}()
	absent(t, s, "a")
}

func stopped(t *testing.T, s store.Store) {
	cause := errors.New("it took too long")
	ctx, cancel := context.WithCancelCause(context.Background())
	err := s.Put(ctx, "a", func(w io.Writer) error {
		if _, err := w.Write(content(3, streamed)); err != nil {
			return err
		}
		cancel(cause)
		// A write that nobody heeds must not be published all the same.
		_, _ = w.Write(content(3, large))
		return nil
	})
	if !errors.Is(err, cause) && !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want that it was stopped", err)
	}
	absent(t, s, "a")
}

func missing(t *testing.T, s store.Store) {
	if _, err := s.Open(context.Background(), "none"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("open: %v, want fs.ErrNotExist", err)
	}
	if err := s.Remove(context.Background(), "none"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("remove: %v, want fs.ErrNotExist", err)
	}
	if all := names(t, s); len(all) > 0 {
		t.Errorf("list: %q", all)
	}
}

func hostile(t *testing.T, s store.Store) {
	for _, name := range []string{
		"", ".", "..", "../out", "a/b", "/etc/passwd", `a\b`, "a\x00b", "a\nb", "a b", "grün", "\x1b[31m", ".draft-a", strings.Repeat("n", 300),
	} {
		called := false
		err := s.Put(context.Background(), name, func(io.Writer) error { called = true; return nil })
		if !errors.Is(err, fs.ErrInvalid) || called {
			t.Errorf("put %q: %v, want fs.ErrInvalid before anything is written", name, err)
		}
		if r, err := s.Open(context.Background(), name); err == nil {
			t.Errorf("open %q: accepted", name)
			r.Close()
		}
		if err := s.Remove(context.Background(), name); err == nil {
			t.Errorf("remove %q: accepted", name)
		}
	}
	if all := names(t, s); len(all) > 0 {
		t.Errorf("list: %q", all)
	}
}

func listed(t *testing.T, s store.Store) {
	for i, name := range []string{"manifest-2.json", "b", "manifest-1.json", "manifest-1.json.sig", "a-1"} {
		if err := put(s, name, content(4, 10*i+1)); err != nil {
			t.Fatal(err)
		}
	}
	if all, want := names(t, s), []string{"a-1", "b", "manifest-1.json", "manifest-1.json.sig", "manifest-2.json"}; !slices.Equal(all, want) {
		t.Errorf("list: %q, want %q", all, want)
	}
	entries, err := s.List(context.Background(), "manifest-1")
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != 2 || entries[0].Name != "manifest-1.json" || entries[0].Size != 21 || entries[0].Modified.IsZero() {
		t.Errorf("list of a prefix: %+v", entries)
	}
}

func raced(t *testing.T, s store.Store) {
	const writers = 8
	start, together := make(chan struct{}), sync.WaitGroup{}
	won := make([]error, writers)
	for i := range writers {
		together.Go(func() {
			<-start
			won[i] = put(s, "a", content(byte(i), large))
		})
	}
	close(start)
	together.Wait()
	winner := -1
	for i, err := range won {
		switch {
		case err == nil && winner >= 0:
			t.Errorf("%d and %d both won", winner, i)
		case err == nil:
			winner = i
		case !errors.Is(err, fs.ErrExist):
			t.Errorf("%d: %v, want fs.ErrExist", i, err)
		}
	}
	if winner < 0 {
		t.Fatal("nobody won")
	}
	if got := get(t, s, "a"); !bytes.Equal(got, content(byte(winner), large)) {
		t.Errorf("it does not hold what the winner, %d, wrote", winner)
	}
	if all := names(t, s); !slices.Equal(all, []string{"a"}) {
		t.Errorf("list: %q", all)
	}
}

func unseen(t *testing.T, s store.Store) {
	err := s.Put(context.Background(), "a", func(w io.Writer) error {
		if _, err := w.Write(content(5, streamed)); err != nil {
			return err
		}
		if all := names(t, s); len(all) > 0 {
			return fmt.Errorf("list sees %q", all)
		}
		if _, err := s.Open(context.Background(), "a"); !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("open: %v", err)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func removedWhileRead(t *testing.T, s store.Store) {
	if err := put(s, "a", content(6, large)); err != nil {
		t.Fatal(err)
	}
	r, err := s.Open(context.Background(), "a")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	head := make([]byte, 100)
	if _, err := io.ReadFull(r, head); err != nil {
		t.Fatal(err)
	}
	if err := s.Remove(context.Background(), "a"); err != nil {
		t.Fatal(err)
	}
	rest, err := io.ReadAll(r)
	if err == nil && !bytes.Equal(append(head, rest...), content(6, large)) {
		t.Error("the reader got something else, and no error")
	}
}
