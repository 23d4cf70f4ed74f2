package seal_test

import (
	"bytes"
	"errors"
	"io"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/railiance/railiance/tools/internal/seal"
)

func TestZstd(t *testing.T) {
	d, err := zstd.NewReader(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	for _, size := range sizes {
		data := noise(size)
		clear(data[size/3:])
		var out bytes.Buffer
		if err := write(data).Zstd()(&out); err != nil {
			t.Fatal(err)
		}
		if got, err := d.DecodeAll(out.Bytes(), nil); err != nil || !bytes.Equal(got, data) {
			t.Errorf("%d bytes came back as %d: %v", size, len(got), err)
		}
		var head zstd.Header
		if err := head.Decode(out.Bytes()); err != nil || !head.HasCheckSum {
			t.Errorf("%d bytes: %+v, %v", size, head, err)
		}
	}
}

func TestZstdFailure(t *testing.T) {
	if err := write(noise(20 << 20)).Zstd()(&brokenAfter{n: 300_000}); !errors.Is(err, errBroken) {
		t.Errorf("a full disk gave %v", err)
	}
	if err := write(noise(100)).Zstd()(&brokenAfter{n: 99}); !errors.Is(err, errBroken) {
		t.Errorf("a full disk at the end gave %v", err)
	}
	var out bytes.Buffer
	torn := seal.Stream(func(w io.Writer) error {
		_, err := w.Write(noise(1 << 20))
		return errors.Join(err, errBroken)
	})
	if err := torn.Zstd()(&out); !errors.Is(err, errBroken) {
		t.Errorf("a failed dump gave %v", err)
	}
	d, err := zstd.NewReader(&out)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if _, err := io.Copy(io.Discard, d); err == nil {
		t.Error("what a failed dump left decompresses as a whole one")
	}
}

// A full disk is met by every stage before it, and told once.
func TestFailureOfManyStagesIsSaidOnce(t *testing.T) {
	var sum seal.Sum
	stream := write(noise(20 << 20)).Zstd().Encrypted(identity(t).Recipient()).Measured(&sum)
	err := stream(&brokenAfter{n: 300_000})
	if !errors.Is(err, errBroken) || strings.Count(err.Error(), errBroken.Error()) != 1 {
		t.Errorf("got %v", err)
	}
}

// late takes its time for each write.
type late struct{ begun, done atomic.Int32 }

func (l *late) Write(p []byte) (int, error) {
	l.begun.Add(1)
	time.Sleep(20 * time.Millisecond)
	l.done.Add(1)
	return len(p), nil
}

// Who gives the writer ends it next, so nothing may be written to it any more.
func TestZstdWritesNothingAfterAFailure(t *testing.T) {
	w := &late{}
	torn := seal.Stream(func(z io.Writer) error {
		_, err := z.Write(noise(1 << 20))
		return errors.Join(err, errBroken)
	})
	if err := torn.Zstd()(w); !errors.Is(err, errBroken) {
		t.Errorf("got %v", err)
	}
	begun, done := w.begun.Load(), w.done.Load()
	time.Sleep(100 * time.Millisecond)
	if now := w.begun.Load(); begun != done || now != begun {
		t.Errorf("%d writes had begun and %d were done when it returned, %d a while later", begun, done, now)
	}
}

// A disk of any size has to pass through the same memory.
func TestZstdMemory(t *testing.T) {
	piece := noise(1 << 20)
	clear(piece[:600<<10])
	var most uint64
	err := seal.Stream(func(w io.Writer) error {
		for i := range 200 {
			if _, err := w.Write(piece); err != nil {
				return err
			}
			if i%20 == 0 {
				var m runtime.MemStats
				runtime.GC()
				runtime.ReadMemStats(&m)
				most = max(most, m.HeapAlloc)
			}
		}
		return nil
	}).Zstd()(io.Discard)
	if err != nil || most > 40<<20 {
		t.Errorf("%d MiB of heap, %v", most>>20, err)
	}
}
