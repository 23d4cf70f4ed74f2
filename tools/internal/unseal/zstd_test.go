package unseal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/railiance/railiance/tools/internal/seal"
)

// mixture is text, noise and zeros in turn: all three types of zstd blocks.
func mixture(size int) []byte {
	b := make([]byte, 0, size+1<<20)
	random := rand.NewChaCha8([32]byte{7})
	for len(b) < size {
		noise := make([]byte, 200_000)
		_, _ = random.Read(noise)
		b = append(b, noise...)
		b = append(b, make([]byte, 300_000)...)
		b = append(b, bytes.Repeat([]byte("what was saved\n"), 20_000)...)
	}
	return b[:size]
}

func compressed(t testing.TB, plain []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	err := seal.Stream(func(w io.Writer) error {
		_, err := w.Write(plain)
		return err
	}).Zstd()(&out)
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func inflate(r io.Reader) ([]byte, error) {
	z, err := Zstd(r)
	if err != nil {
		return nil, err
	}
	defer z.Close()
	return io.ReadAll(z)
}

func TestZstd(t *testing.T) {
	for _, size := range []int{0, 1, 255, 256, 1 << 10, 128<<10 - 1, 128 << 10, 128<<10 + 1, 20 << 20} {
		plain := mixture(size)
		z := compressed(t, plain)
		for name, r := range map[string]io.Reader{
			"at once":     bytes.NewReader(z),
			"in halves":   iotest.HalfReader(bytes.NewReader(z)),
			"end at once": iotest.DataErrReader(bytes.NewReader(z)),
		} {
			if got, err := inflate(r); err != nil || !bytes.Equal(got, plain) {
				t.Errorf("%d bytes, read %s: %d bytes, %v", size, name, len(got), err)
			}
		}
	}
	plain := mixture(300_000)
	if got, err := inflate(iotest.OneByteReader(bytes.NewReader(compressed(t, plain)))); err != nil || !bytes.Equal(got, plain) {
		t.Errorf("byte by byte: %d bytes, %v", len(got), err)
	}
}

// An operator may have decompressed an artifact and packed it again, at any
// level, with or without a checksum and a size in its header.
func TestZstdOfOthers(t *testing.T) {
	for _, plain := range [][]byte{nil, mixture(100), mixture(1000), mixture(70_000), mixture(1 << 20)} {
		for _, checksum := range []bool{false, true} {
			for _, level := range []zstd.EncoderLevel{zstd.SpeedFastest, zstd.SpeedBestCompression} {
				e, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(level), zstd.WithEncoderCRC(checksum), zstd.WithZeroFrames(true))
				if err != nil {
					t.Fatal(err)
				}
				if got, err := inflate(bytes.NewReader(e.EncodeAll(plain, nil))); err != nil || !bytes.Equal(got, plain) {
					t.Errorf("%d bytes, level %v, checksum %v: %d bytes, %v", len(plain), level, checksum, len(got), err)
				}
			}
		}
	}
}

func TestZstdTornAndAltered(t *testing.T) {
	plain := mixture(2 << 20)
	z := compressed(t, plain)
	for cut := 0; cut < len(z); cut += 1 + cut/20 {
		if _, err := inflate(bytes.NewReader(z[:cut])); !errors.Is(err, io.ErrUnexpectedEOF) || !strings.Contains(err.Error(), "cut short") {
			t.Errorf("torn at %d of %d: %v", cut, len(z), err)
		}
	}
	for _, cut := range []int{1, 2, 3, 4, 5, 6} { // in the checksum and before it
		if _, err := inflate(bytes.NewReader(z[:len(z)-cut])); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("torn %d bytes before the end: %v", cut, err)
		}
	}
	for at := 0; at < len(z); at += 1 + at/20 {
		altered := bytes.Clone(z)
		altered[at] ^= 0x11
		// Unused bits of the header may be anything; the content may not.
		if got, err := inflate(bytes.NewReader(altered)); err == nil && !bytes.Equal(got, plain) {
			t.Errorf("altered at %d: no error, and %d other bytes", at, len(got))
		}
	}
	// An end that is none: the library would take the second for a good one.
	for _, below := range []error{errors.New("input/output error"), io.ErrUnexpectedEOF} {
		for _, after := range []int{0, 3, 5, 9, 100, len(z) - 4, len(z)} {
			broken := io.MultiReader(bytes.NewReader(z[:after]), iotest.ErrReader(below))
			if _, err := inflate(broken); !errors.Is(err, below) {
				t.Errorf("%v after %d bytes came back as %v", below, after, err)
			}
		}
	}
}

func TestZstdTakesOneFrame(t *testing.T) {
	z := compressed(t, mixture(500_000))
	skippable := binary.LittleEndian.AppendUint32(nil, 0x184d2a50)
	skippable = append(binary.LittleEndian.AppendUint32(skippable, 3), "abc"...)
	join := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	for name, c := range map[string]struct {
		stream []byte
		want   error
	}{
		"twice":          {join(z, z), errBehind},
		"a byte behind":  {join(z, []byte{0}), errBehind},
		"zeros behind":   {join(z, make([]byte, 1<<20)), errBehind},
		"skipped behind": {join(z, skippable), errBehind},
		"skipped before": {join(skippable, z), errNoZstd},
		"skipped alone":  {skippable, errNoZstd},
		"gzip":           {[]byte("\x1f\x8b\x08\x00\x00\x00\x00\x00"), errNoZstd},
		"plain":          {[]byte("VMA\x00\x00\x00\x00\x01"), errNoZstd},
		"nothing":        {nil, io.ErrUnexpectedEOF},
	} {
		if _, err := inflate(bytes.NewReader(c.stream)); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

// The memory is bounded by our word, and not by what a header asks for.
func TestZstdWindow(t *testing.T) {
	z := compressed(t, mixture(500_000))
	z[5] = 31 << 3 // 2 TiB
	if _, err := inflate(bytes.NewReader(z)); !errors.Is(err, zstd.ErrWindowSizeExceeded) {
		t.Errorf("a window of 2 TiB: %v", err)
	}
	z[5] = 16 << 3 // 64 MiB
	if _, err := inflate(bytes.NewReader(z)); !errors.Is(err, zstd.ErrWindowSizeExceeded) {
		t.Errorf("a window of 64 MiB: %v", err)
	}
}

func TestZstdClose(t *testing.T) {
	before := runtime.NumGoroutine()
	z, err := Zstd(bytes.NewReader(compressed(t, mixture(5<<20))))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.CopyN(io.Discard, z, 1000); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	if n, err := z.Read(make([]byte, 1)); n != 0 || err == nil || err == io.EOF {
		t.Errorf("read after Close: %d bytes, %v", n, err)
	}
	if after := runtime.NumGoroutine(); after > before {
		t.Errorf("%d goroutines more", after-before)
	}
}

// Whatever comes: no panic, and no good end but that of a single frame, which
// the library alone reads to the same bytes.
func FuzzZstd(f *testing.F) {
	f.Add(compressed(f, nil))
	f.Add(compressed(f, mixture(300)))
	f.Add(compressed(f, mixture(300_000))[:2000])
	reference, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(1<<26))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		z, err := Zstd(bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		defer z.Close()
		got, err := io.ReadAll(io.LimitReader(z, 1<<26))
		if err != nil || len(got) == 1<<26 {
			return
		}
		want, err := reference.DecodeAll(b, nil)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%d bytes, the library alone says %d, %v", len(got), len(want), err)
		}
	})
}

// Whoever is given an error, or closes early, may read on himself: nobody else
// does.
func TestZstdLeavesTheRest(t *testing.T) {
	whole := compressed(t, mixture(3<<20))
	damaged := bytes.Clone(whole)
	damaged[len(damaged)/2] ^= 1
	for name, c := range map[string]struct {
		stream []byte
		use    func(*testing.T, io.ReadCloser)
	}{
		"error": {damaged, func(t *testing.T, r io.ReadCloser) {
			if _, err := io.Copy(io.Discard, r); err == nil {
				t.Error("no error")
			}
		}},
		"close": {whole, func(t *testing.T, r io.ReadCloser) {
			if _, err := io.CopyN(io.Discard, r, 1000); err != nil {
				t.Error(err)
			}
			if err := r.Close(); err != nil {
				t.Error(err)
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			rest := bytes.NewReader(append(bytes.Clone(c.stream), make([]byte, 50<<20)...))
			r, err := Zstd(readerFunc(func(p []byte) (int, error) {
				time.Sleep(10 * time.Microsecond)
				return rest.Read(p[:min(len(p), 1000)])
			}))
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			c.use(t, r)
			at := rest.Len()
			time.Sleep(5 * time.Millisecond)
			if rest.Len() != at || at < 40<<20 {
				t.Errorf("%d bytes were left, then %d", at, rest.Len())
			}
		})
	}
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }
