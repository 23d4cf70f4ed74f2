package seal_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"filippo.io/age"

	"github.com/railiance/railiance/tools/internal/seal"
)

// sizes lie on both sides of what a stage hands over at once, and of an age
// chunk.
var sizes = []int{0, 1, 64<<10 - 1, 64 << 10, 256<<10 - 1, 256 << 10, 256<<10 + 1, 3<<20 + 17}

func TestBesideKeepsOrder(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, size := range sizes {
		data := noise(size)
		var got bytes.Buffer
		w := seal.Beside(&got)
		for rest := data; len(rest) > 0; {
			n := min(len(rest), 1+random.IntN(100<<10))
			if written, err := w.Write(rest[:n]); err != nil || written != n {
				t.Fatalf("wrote %d of %d: %v", written, n, err)
			}
			rest = rest[n:]
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got.Bytes(), data) {
			t.Errorf("%d bytes came out as %d others", size, got.Len())
		}
	}
}

// A caller uses its buffer again as soon as Write returns.
func TestBesideCopies(t *testing.T) {
	var got bytes.Buffer
	w := seal.Beside(&got)
	buffer := make([]byte, 1000)
	for i := range 1000 {
		for j := range buffer {
			buffer[j] = byte(i)
		}
		if _, err := w.Write(buffer); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	for at, b := range got.Bytes() {
		if b != byte(at/1000) {
			t.Fatalf("byte %d is %d, want %d", at, b, byte(at/1000))
		}
	}
}

// brokenAfter fails from its n-th byte on.
type brokenAfter struct{ n int }

var errBroken = errors.New("no space left")

func (b *brokenAfter) Write(p []byte) (int, error) {
	if b.n -= len(p); b.n < 0 {
		return 0, errBroken
	}
	return len(p), nil
}

func TestBesideReportsAFailure(t *testing.T) {
	for _, size := range sizes[1:] {
		w := seal.Beside(&brokenAfter{n: size - 1})
		_, writeErr := w.Write(noise(size))
		if err := errors.Join(writeErr, w.Close()); !errors.Is(err, errBroken) {
			t.Errorf("%d bytes: got %v", size, err)
		}
	}
}

// A writer whose other side fails early has to hear of it before the end of a
// dump of gigabytes, and must not wait for ever.
func TestBesideStopsAnEndlessWriter(t *testing.T) {
	w := seal.Beside(&brokenAfter{n: 1 << 20})
	piece := noise(10_000)
	for written := 0; written < 1<<30; written += len(piece) {
		if _, err := w.Write(piece); err != nil {
			if !errors.Is(err, errBroken) {
				t.Errorf("got %v", err)
			}
			if err := w.Close(); !errors.Is(err, errBroken) {
				t.Errorf("Close returned %v", err)
			}
			return
		}
	}
	t.Error("a gigabyte was taken after the failure")
}

func TestMeasured(t *testing.T) {
	for _, size := range sizes {
		data := noise(size)
		var out bytes.Buffer
		var sum seal.Sum
		if err := write(data).Measured(&sum)(&out); err != nil {
			t.Fatal(err)
		}
		want := sha256.Sum256(data)
		if sum.Size != int64(size) || sum.SHA256 != hex.EncodeToString(want[:]) || !bytes.Equal(out.Bytes(), data) {
			t.Errorf("%d bytes: %d bytes came out, measured as %v", size, out.Len(), sum)
		}
	}
}

func TestMeasuredFailure(t *testing.T) {
	before := seal.Sum{Size: 1, SHA256: "x"}
	for name, stream := range map[string]func(*seal.Sum) error{
		"writer": func(sum *seal.Sum) error { return write(noise(100)).Measured(sum)(&brokenAfter{n: 99}) },
		"stream": func(sum *seal.Sum) error {
			return seal.Stream(func(w io.Writer) error {
				_, err := w.Write(noise(100))
				return errors.Join(err, errBroken)
			}).Measured(sum)(io.Discard)
		},
	} {
		sum := before
		if err := stream(&sum); !errors.Is(err, errBroken) || sum != before {
			t.Errorf("%s: got %v, and %v measured", name, err, sum)
		}
	}
}

func TestEncryptedOpensWithEachKey(t *testing.T) {
	one, two := identity(t), identity(t)
	for _, size := range sizes {
		data := noise(size)
		var out bytes.Buffer
		if err := write(data).Encrypted(one.Recipient(), two.Recipient())(&out); err != nil {
			t.Fatal(err)
		}
		for _, id := range []age.Identity{one, two} {
			r, err := age.Decrypt(bytes.NewReader(out.Bytes()), id)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, data) {
				t.Errorf("%d bytes came back as %d: %v", size, len(got), err)
			}
		}
	}
}

func TestEncryptedFailure(t *testing.T) {
	id := identity(t)
	to := id.Recipient()
	if err := write(noise(1 << 20)).Encrypted(to)(&brokenAfter{n: 300_000}); !errors.Is(err, errBroken) {
		t.Errorf("a full disk gave %v", err)
	}
	if err := write(nil).Encrypted()(io.Discard); err == nil {
		t.Error("it was encrypted to nobody")
	}
	// What a failed dump left must not end as an artifact does, or it could be
	// taken for a whole one.
	var out bytes.Buffer
	torn := seal.Stream(func(w io.Writer) error {
		_, err := w.Write(noise(1 << 20))
		return errors.Join(err, errBroken)
	})
	if err := torn.Encrypted(to)(&out); !errors.Is(err, errBroken) {
		t.Errorf("a failed dump gave %v", err)
	}
	r, err := age.Decrypt(&out, id)
	if err == nil {
		_, err = io.ReadAll(r)
	}
	if err == nil {
		t.Error("what a failed dump left opens as a whole artifact")
	}
}

func TestCheckedReadsARejectedDumpToItsEnd(t *testing.T) {
	rejected := errors.New("not a snapshot")
	var out bytes.Buffer
	err := write(noise(1 << 20)).Checked(func(r io.Reader) error {
		_, _ = io.ReadFull(r, make([]byte, 10))
		return rejected
	})(&out)
	if !errors.Is(err, rejected) || strings.Contains(err.Error(), "closed pipe") || out.Len() != 1<<20 {
		t.Errorf("got %v after %d bytes", err, out.Len())
	}
}

// waiting takes nothing before the check has seen some.
type waiting struct{ seen chan struct{} }

var errNotBeside = errors.New("the check waits for the writer")

func (w waiting) Write(p []byte) (int, error) {
	select {
	case <-w.seen:
		return len(p), nil
	case <-time.After(10 * time.Second):
		return 0, errNotBeside
	}
}

// Checking and compressing take turns no more: each has a core.
func TestCheckedRunsBesideTheWriter(t *testing.T) {
	w := waiting{make(chan struct{})}
	err := write(noise(3 << 20)).Checked(func(r io.Reader) error {
		if _, err := io.ReadFull(r, make([]byte, 10)); err != nil {
			return err
		}
		close(w.seen)
		_, err := io.Copy(io.Discard, r)
		return err
	})(w)
	if err != nil {
		t.Error(err)
	}
}

// The check and the writer get the same bytes, whatever the pieces, though they
// share their memory and one of them is slower.
func TestCheckedGivesBothTheSame(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for _, size := range sizes {
		data := noise(size)
		var out, checked bytes.Buffer
		pieces := seal.Stream(func(w io.Writer) error {
			for rest := data; len(rest) > 0; {
				n := min(len(rest), 1+random.IntN(100<<10))
				if written, err := w.Write(rest[:n]); err != nil || written != n {
					return fmt.Errorf("wrote %d of %d: %w", written, n, err)
				}
				rest = rest[n:]
			}
			return nil
		})
		err := pieces.Checked(func(r io.Reader) error {
			_, err := checked.ReadFrom(iotest.DataErrReader(iotest.HalfReader(r)))
			return err
		})(&out)
		if err != nil || !bytes.Equal(out.Bytes(), data) || !bytes.Equal(checked.Bytes(), data) {
			t.Errorf("%d bytes: %d written, %d checked, %v", size, out.Len(), checked.Len(), err)
		}
	}
}

func TestCheckedFailure(t *testing.T) {
	whole := func(r io.Reader) error { _, err := io.Copy(io.Discard, r); return err }
	if err := write(noise(3 << 20)).Checked(whole)(&brokenAfter{n: 1 << 20}); !errors.Is(err, errBroken) {
		t.Errorf("a full disk gave %v", err)
	}
	torn := seal.Stream(func(w io.Writer) error {
		_, err := w.Write(noise(1 << 20))
		return errors.Join(err, errBroken)
	})
	met := false
	err := torn.Checked(func(r io.Reader) error {
		err := whole(r)
		met = errors.Is(err, errBroken)
		return err
	})(io.Discard)
	if !errors.Is(err, errBroken) || !met || strings.Count(err.Error(), errBroken.Error()) != 1 {
		t.Errorf("a failed dump gave %v, and the check met it: %t", err, met)
	}
}

func write(data []byte) seal.Stream {
	return func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	}
}

func noise(size int) []byte {
	b := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{byte(size)}).Read(b)
	return b
}

func identity(t *testing.T) *age.X25519Identity {
	t.Helper()
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	return id
}
