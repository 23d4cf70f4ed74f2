package spool

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

func open(t *testing.T, max int64) *Spool {
	t.Helper()
	dir := t.TempDir()
	s, err := New(dir, max)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.CloseRead(nil) })
	if files, err := os.ReadDir(dir); err != nil || len(files) > 0 {
		t.Errorf("the spool shows: %v, %v", files, err)
	}
	return s
}

// source is the same bytes each time.
func source(size int64) io.Reader {
	return io.LimitReader(rand.NewChaCha8([32]byte{1}), size)
}

// pass sends size bytes through s in pieces of any length, at a pace that
// changes sides, and compares what comes out.
func pass(t *testing.T, s *Spool, size int64, pause func(side, step int)) {
	t.Helper()
	done := make(chan error, 1)
	go func() {
		random := rand.New(rand.NewPCG(1, 1))
		in := source(size)
		for step := 0; ; step++ {
			piece, err := io.ReadAll(io.LimitReader(in, 1+random.Int64N(700<<10)))
			if err != nil || len(piece) == 0 {
				s.CloseWrite(err)
				done <- err
				return
			}
			pause(0, step)
			if n, err := s.Write(piece); err != nil || n != len(piece) {
				s.CloseWrite(io.ErrUnexpectedEOF)
				done <- errors.Join(errors.New("cut write"), err)
				return
			}
			clear(piece) // as a caller may, who uses it again
		}
	}()
	random := rand.New(rand.NewPCG(2, 2))
	want := source(size)
	var at int64
	for step := 0; ; step++ {
		pause(1, step)
		got := make([]byte, 1+random.Int64N(700<<10))
		n, err := s.Read(got)
		expected := make([]byte, n)
		if _, err := io.ReadFull(want, expected); err != nil || !bytes.Equal(got[:n], expected) {
			t.Fatalf("%d bytes at %d are others, %v", n, at, err)
		}
		at += int64(n)
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := <-done; err != nil || at != size {
		t.Errorf("%d of %d bytes came out, %v", at, size, err)
	}
}

func never(int, int) {}

func TestOrder(t *testing.T) {
	const size = 20<<20 + 17
	slowWriter := func(side, step int) {
		if side == 0 && step%8 == 0 {
			time.Sleep(time.Millisecond)
		}
	}
	slowReader := func(side, step int) {
		if side == 1 && step%4 == 0 {
			time.Sleep(time.Millisecond)
		}
	}
	byTurns := func(side, step int) {
		if step%40 < 20 == (side == 0) && step%4 == 0 {
			time.Sleep(2 * time.Millisecond)
		}
	}
	for _, max := range []int64{0, 1, 511, 1<<20 + 3, 16 << 20, 1 << 30} {
		for _, pause := range []func(int, int){never, slowWriter, slowReader, byTurns} {
			if max == 1 || max == 511 {
				pass(t, open(t, max), 6<<20, pause)
				continue
			}
			pass(t, open(t, max), size, pause)
		}
	}
	pass(t, open(t, 1<<20), 0, never)
}

// What is held never exceeds the bound, and the writer is not kept waiting
// below it.
func TestBound(t *testing.T) {
	const max = 3 << 20
	s := open(t, max)
	for range (inMemory + max) / (64 << 10) {
		if _, err := s.Write(make([]byte, 64<<10)); err != nil {
			t.Fatal(err)
		}
	}
	stats := s.Stats()
	if stats.Waited != 0 || stats.HighWater != inMemory+max || stats.OnDisk != max || stats.Max != max {
		t.Errorf("%+v", stats)
	}
	if info, err := s.file.Stat(); err != nil || info.Size() != max || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	returned := make(chan error, 1)
	go func() {
		_, err := s.Write(make([]byte, 1))
		returned <- err
	}()
	select {
	case err := <-returned:
		t.Fatalf("more was taken than fits, %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	if n, err := io.ReadFull(s, make([]byte, inMemory+1)); err != nil {
		t.Fatalf("%d bytes, %v", n, err)
	}
	if err := <-returned; err != nil {
		t.Fatal(err)
	}
	if waited := s.Stats().Waited; waited < 40*time.Millisecond || waited > 10*time.Second {
		t.Errorf("the writer waited %s", waited)
	}
}

// A store that keeps up costs no disk.
func TestKeepingUp(t *testing.T) {
	s := open(t, 1<<30)
	b := make([]byte, 1<<20)
	for range 50 {
		if _, err := s.Write(b); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(s, b); err != nil {
			t.Fatal(err)
		}
	}
	if stats := s.Stats(); stats.OnDisk != 0 || stats.HighWater != 1<<20 {
		t.Errorf("%+v", stats)
	}
}

func TestErrors(t *testing.T) {
	lost, full := errors.New("connection lost"), errors.New("no space left")
	t.Run("writer", func(t *testing.T) {
		s := open(t, 1<<20)
		if _, err := s.Write(make([]byte, 100)); err != nil {
			t.Fatal(err)
		}
		s.CloseWrite(lost)
		s.CloseWrite(nil)
		if n, err := s.Read(make([]byte, 10)); n != 0 || err != lost {
			t.Errorf("%d bytes, %v: what is held is worthless", n, err)
		}
	})
	t.Run("reader", func(t *testing.T) {
		s := open(t, 1<<20)
		blocked := make(chan error, 1)
		go func() {
			_, err := s.Write(make([]byte, 100<<20))
			blocked <- err
		}()
		time.Sleep(20 * time.Millisecond)
		s.CloseRead(full)
		s.CloseRead(nil)
		if err := <-blocked; err != full {
			t.Errorf("got %v", err)
		}
		if _, err := s.Write([]byte("x")); err != full {
			t.Errorf("got %v", err)
		}
	})
	t.Run("waiting reader", func(t *testing.T) {
		for _, end := range []error{nil, lost} {
			s := open(t, 1<<20)
			waiting := make(chan error, 1)
			go func() {
				_, err := s.Read(make([]byte, 10))
				waiting <- err
			}()
			time.Sleep(10 * time.Millisecond)
			s.CloseWrite(end)
			if err := <-waiting; end != nil && err != end || end == nil && err != io.EOF {
				t.Errorf("%v came back as %v", end, err)
			}
		}
	})
	t.Run("writing on", func(t *testing.T) {
		s := open(t, 1<<20)
		s.CloseWrite(nil)
		if _, err := s.Write([]byte("x")); !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("folder", func(t *testing.T) {
		if _, err := New(t.TempDir()+"/none", 1<<20); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("got %v", err)
		}
	})
}

// A spool of more than its disk can take is made smaller.
func TestRoomOnDisk(t *testing.T) {
	var fs syscall.Statfs_t
	if err := syscall.Statfs(t.TempDir(), &fs); err != nil {
		t.Fatal(err)
	}
	if max := open(t, 1<<62).Stats().Max; max < 1 || max > int64(fs.Bavail)*fs.Bsize {
		t.Errorf("room for %d bytes where %d are free", max, int64(fs.Bavail)*fs.Bsize)
	}
}

// fullDisk takes so many bytes, and of the write that exceeds them a part.
type fullDisk struct {
	mu   sync.Mutex
	data []byte
	err  error
	hits atomic.Int64
}

func (f *fullDisk) WriteAt(p []byte, at int64) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := copy(f.data[min(at, int64(len(f.data))):], p)
	if n < len(p) {
		f.hits.Add(1)
		return n, f.err
	}
	return n, nil
}

func (f *fullDisk) ReadAt(p []byte, at int64) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return copy(p, f.data[at:]), nil
}

// Somebody else filled the disk: the spool does with what it has.
func TestDiskFull(t *testing.T) {
	for _, room := range []int{0, 1, 1<<20 + 5} {
		for _, err := range []error{&os.PathError{Err: syscall.ENOSPC}, syscall.EDQUOT} {
			disk := &fullDisk{data: make([]byte, room), err: err}
			s := with(disk, 1<<30)
			pass(t, s, 20<<20, func(side, step int) {
				for side == 1 && disk.hits.Load() == 0 {
					time.Sleep(time.Millisecond)
				}
			})
			if stats := s.Stats(); disk.hits.Load() != 1 || stats.Max != int64(room) || stats.OnDisk != int64(room) {
				t.Errorf("room for %d: hit %d times, %+v", room, disk.hits.Load(), stats)
			}
		}
	}
	s := with(&fullDisk{data: make([]byte, 100), err: syscall.EIO}, 1<<30)
	if n, err := s.Write(make([]byte, 5<<20)); !errors.Is(err, syscall.EIO) || n != inMemory+100 {
		t.Errorf("%d bytes, %v", n, err)
	}
}

// An empty spool begins its file anew, so that a pause of the store costs the
// room that it takes and not, by and by, the bound.
func TestRewind(t *testing.T) {
	s := open(t, 1<<30)
	b := make([]byte, inMemory+1<<20)
	for range 10 {
		if _, err := s.Write(b); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(s, b); err != nil {
			t.Fatal(err)
		}
	}
	if info, err := s.file.Stat(); err != nil || info.Size() != 1<<20 {
		t.Errorf("the file grew to %d bytes, %v", info.Size(), err)
	}
}

// closing is a disk during whose write the reader gives up.
type closing struct {
	fullDisk
	close func()
}

func (c *closing) WriteAt([]byte, int64) (int, error) {
	c.close()
	return 0, os.ErrClosed
}

func TestReaderGivesUpMeanwhile(t *testing.T) {
	lost := errors.New("connection lost")
	disk := &closing{}
	s := with(disk, 1<<20)
	disk.close = func() { s.CloseRead(lost) }
	if _, err := s.Write(make([]byte, inMemory+1)); err != lost {
		t.Errorf("got %v", err)
	}
}
