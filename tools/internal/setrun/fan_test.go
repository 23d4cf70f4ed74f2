package setrun_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/railiance/railiance/tools/internal/seal"
	"github.com/railiance/railiance/tools/internal/setrun"
	"github.com/railiance/railiance/tools/internal/spool"
	"github.com/railiance/railiance/tools/internal/store"
	"github.com/railiance/railiance/tools/internal/tell"
)

// slow is a store that takes its bytes as it is told to.
type slow struct {
	*store.Dir
	take func(n int) error
}

func (s slow) Put(ctx context.Context, name string, write func(io.Writer) error) error {
	return s.Dir.Put(ctx, name, func(w io.Writer) error { return write(taking{w, s.take}) })
}

type taking struct {
	w    io.Writer
	take func(n int) error
}

func (t taking) Write(p []byte) (int, error) {
	if err := t.take(len(p)); err != nil {
		return 0, err
	}
	return t.w.Write(p)
}

// copies are as many folders as there are ways to take bytes; nil takes all.
func copies(t *testing.T, said *bytes.Buffer, take ...func(int) error) *setrun.Copies {
	t.Helper()
	c := &setrun.Copies{}
	for i, take := range take {
		d, err := store.MakeDir(filepath.Join(t.TempDir(), string(rune('a'+i))))
		if err != nil {
			t.Fatal(err)
		}
		var s store.Store = d
		if take != nil {
			s = slow{d, take}
		}
		name := filepath.Base(d.Path())
		c.All = append(c.All, &setrun.Copy{Site: name, Folder: &setrun.Folder{Store: s, Asset: name, Tell: &tell.Teller{W: said}}})
	}
	return c
}

func stream(size int) (seal.Stream, []byte) {
	data := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{}).Read(data)
	return func(w io.Writer) error {
		_, err := io.CopyBuffer(struct{ io.Writer }{w}, struct{ io.Reader }{bytes.NewReader(data)}, make([]byte, 100_000))
		return err
	}, data
}

func holds(t *testing.T, c *setrun.Copies, want map[string][]byte) {
	t.Helper()
	for _, one := range c.All {
		r, err := one.Folder.Store.Open(t.Context(), "x")
		if want[one.Site] == nil {
			if !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s has it: %v", one.Site, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", one.Site, err)
			continue
		}
		if b, err := io.ReadAll(r); err != nil || !bytes.Equal(b, want[one.Site]) {
			t.Errorf("%s has %d other bytes, %v", one.Site, len(b), err)
		}
		_ = r.Close()
	}
}

func TestTheSameToAll(t *testing.T) {
	for _, size := range []int{0, 1, 99_999, 5 << 20} {
		for _, room := range []int64{-1, 0, 1 << 20} {
			var said bytes.Buffer
			pace := rand.New(rand.NewPCG(1, 2))
			c := copies(t, &said, nil, func(int) error { time.Sleep(time.Duration(pace.IntN(1000)) * time.Microsecond); return nil }, nil)
			var s *spool.Spool
			if room >= 0 {
				var err error
				if s, err = spool.New(t.TempDir(), room); err != nil {
					t.Fatal(err)
				}
			}
			write, data := stream(size)
			if err := c.Put(t.Context(), "x", write, s); err != nil || said.Len() > 0 {
				t.Errorf("%d bytes: %v\n%s", size, err, &said)
			}
			holds(t, c, map[string][]byte{"a": data, "b": data, "c": data})
		}
	}
}

// What ends badly is nowhere: neither what a guest did not finish, nor what was
// found bad after the last byte.
func TestAStreamThatFails(t *testing.T) {
	bad := errors.New("the last cluster is missing")
	for _, room := range []bool{false, true} {
		var said bytes.Buffer
		c := copies(t, &said, nil, nil)
		var s *spool.Spool
		if room {
			var err error
			if s, err = spool.New(t.TempDir(), 1<<20); err != nil {
				t.Fatal(err)
			}
		}
		write, _ := stream(3 << 20)
		err := c.Put(t.Context(), "x", func(w io.Writer) error { return errors.Join(write(w), bad) }, s)
		if !errors.Is(err, bad) || said.Len() > 0 || len(c.Living()) != 2 {
			t.Errorf("%v, %d living\n%s", err, len(c.Living()), &said)
		}
		holds(t, c, nil)
	}
}

func TestOneThatFailsIsDropped(t *testing.T) {
	broken := errors.New("507 insufficient storage")
	for name, take := range map[string]func(int) error{
		"at once": func(int) error { return broken },
		"half way": func() func(int) error {
			left := 1 << 20
			return func(n int) error {
				if left -= n; left < 0 {
					return broken
				}
				return nil
			}
		}(),
		// Its queue is never full: only its end tells.
		"at the end": func() func(int) error {
			left := 3 << 20
			return func(n int) error {
				if left -= n; left == 0 {
					return broken
				}
				return nil
			}
		}(),
	} {
		var said bytes.Buffer
		c := copies(t, &said, nil, take, nil)
		write, data := stream(3 << 20)
		if err := c.Put(t.Context(), "x", write, nil); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if !errors.Is(c.All[1].Err, broken) || len(c.Living()) != 2 || strings.Count(said.String(), broken.Error()) != 1 {
			t.Errorf("%s: %v\n%s", name, c.All[1].Err, &said)
		}
		holds(t, c, map[string][]byte{"a": data, "c": data})
	}
}

// One that hangs, as a network disk whose server is gone, holds the others up
// for so long, and is left behind then.
func TestOneThatHangs(t *testing.T) {
	hang := make(chan struct{})
	var said bytes.Buffer
	c := copies(t, &said, func(int) error { <-hang; return errors.New("awake") }, nil)
	c.Stall = time.Second
	write, data := stream(20 << 20)
	begin := time.Now()
	if err := c.Put(t.Context(), "x", write, nil); err != nil || time.Since(begin) > 30*time.Second {
		t.Errorf("%v after %s", err, time.Since(begin))
	}
	if err := c.All[0].Err; err == nil || !strings.Contains(err.Error(), "has taken nothing for 1s") || c.All[0].Waited < c.Stall {
		t.Errorf("%v, waited %s", err, c.All[0].Waited)
	}
	holds(t, c, map[string][]byte{"b": data})
	close(hang) // and when it wakes up, it does not publish what it has
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		files, err := os.ReadDir(c.All[0].Folder.Store.(slow).Path())
		if err == nil && len(files) == 0 {
			break
		}
		if err != nil || time.Now().After(end) {
			t.Fatalf("it left %v, %v", files, err)
		}
	}
	holds(t, c, map[string][]byte{"b": data})
}

// A small stream fits into the queue: whether it hangs shows at the end.
func TestOneThatHangsAtTheEnd(t *testing.T) {
	hang := make(chan struct{})
	defer close(hang)
	var said bytes.Buffer
	c := copies(t, &said, nil, func(int) error { <-hang; return errors.New("awake") })
	c.Stall = time.Second
	write, data := stream(1000)
	if err := c.Put(t.Context(), "x", write, nil); err != nil || c.All[1].Err == nil {
		t.Errorf("%v, %v", err, c.All[1].Err)
	}
	holds(t, c, map[string][]byte{"a": data})
}

func TestAllFail(t *testing.T) {
	broken := func(int) error { return errors.New("broken") }
	for _, size := range []int{1, 30 << 20} {
		var said bytes.Buffer
		c := copies(t, &said, broken, broken)
		write, _ := stream(size)
		if err := c.Put(t.Context(), "x", write, nil); !errors.Is(err, setrun.ErrNoSite) {
			t.Errorf("%d bytes: %v", size, err)
		}
		holds(t, c, nil)
	}
}

// A run that is stopped waits for nobody, and blames no site.
func TestStoppedInTheMiddle(t *testing.T) {
	ctx, stop := context.WithCancelCause(t.Context())
	pressed := errors.New("somebody pressed a key")
	var said bytes.Buffer
	n := 0
	c := copies(t, &said, nil, func(int) error {
		if n++; n == 5 {
			stop(pressed)
		}
		return nil
	})
	write, _ := stream(30 << 20)
	if err := c.Put(ctx, "x", write, nil); !errors.Is(err, pressed) || said.Len() > 0 {
		t.Errorf("%v\n%s", err, &said)
	}
	holds(t, c, nil)
}

// A site that is slower than the guest does not hold it up as long as the spool
// has room.
func TestTheSpoolSparesTheGuest(t *testing.T) {
	const size = 6 << 20
	// spared tells whether the guest was done while the site had taken nothing.
	spared := func(room int64, patience time.Duration) bool {
		done, asked, spared := make(chan struct{}), false, false
		var said bytes.Buffer
		c := copies(t, &said, func(int) error {
			if asked {
				return nil
			}
			asked = true
			select {
			case <-done:
				spared = true
			case <-time.After(patience):
			}
			return nil
		})
		var s *spool.Spool
		if room > 0 {
			var err error
			if s, err = spool.New(t.TempDir(), room); err != nil {
				t.Fatal(err)
			}
		}
		write, data := stream(size)
		err := c.Put(t.Context(), "x", func(w io.Writer) error {
			defer close(done)
			return write(w)
		}, s)
		if err != nil {
			t.Error(err)
		}
		holds(t, c, map[string][]byte{"a": data})
		return spared
	}
	if !spared(64<<20, time.Minute) {
		t.Error("with a spool the guest waited for the site")
	}
	if spared(0, 300*time.Millisecond) {
		t.Error("without a spool it did not: this proves nothing")
	}
}

// Memory does not grow with what passes.
func TestFanMemory(t *testing.T) {
	var said bytes.Buffer
	c := copies(t, &said, nil, nil, nil)
	block := make([]byte, 256<<10)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	err := c.Put(t.Context(), "x", func(w io.Writer) error {
		for range 400 {
			if _, err := w.Write(block); err != nil {
				return err
			}
		}
		return nil
	}, nil)
	runtime.ReadMemStats(&after)
	if err != nil {
		t.Fatal(err)
	}
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 40<<20 {
		t.Errorf("100 MiB took %d MiB of new memory", grown>>20)
	}
}
