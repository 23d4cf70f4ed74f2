package unseal

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"filippo.io/age"

	"github.com/railiance/railiance/tools/internal/seal"
)

func sealed(t *testing.T, b []byte, to ...age.Recipient) []byte {
	t.Helper()
	var out bytes.Buffer
	err := seal.Stream(func(w io.Writer) error {
		_, err := w.Write(b)
		return err
	}).Encrypted(to...)(&out)
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func key(t *testing.T) *age.X25519Identity {
	t.Helper()
	k, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestCopy(t *testing.T) {
	one, two, stranger := key(t), key(t), key(t)
	plain := bytes.Repeat([]byte("what was saved\n"), 20_000) // several chunks
	artifact := sealed(t, plain, one.Recipient(), two.Recipient())
	for name, keys := range map[string][]age.Identity{"one": {one}, "two": {two}, "two behind a stranger": {stranger, two}} {
		var out bytes.Buffer
		n, err := Copy(&out, bytes.NewReader(artifact), keys...)
		if err != nil || n != int64(len(plain)) || !bytes.Equal(out.Bytes(), plain) {
			t.Errorf("%s: %d bytes, %v", name, n, err)
		}
	}
	for name, keys := range map[string][]age.Identity{"none": nil, "a stranger's": {stranger}} {
		var out bytes.Buffer
		if _, err := Copy(&out, bytes.NewReader(artifact), keys...); !errors.Is(err, ErrNoKey) || out.Len() > 0 {
			t.Errorf("%s: %d bytes, %v, want ErrNoKey", name, out.Len(), err)
		}
	}
}

// Wherever an artifact is torn or altered, the end is an error, whatever came
// before it.
func TestTornAndAltered(t *testing.T) {
	one := key(t)
	artifact := sealed(t, make([]byte, 200_000), one.Recipient())
	for at := 0; at < len(artifact); at += 1 + at/3 {
		if _, err := Copy(io.Discard, bytes.NewReader(artifact[:at]), one); err == nil {
			t.Errorf("torn at %d: no error", at)
		}
		altered := bytes.Clone(artifact)
		altered[at] ^= 1
		if _, err := Copy(io.Discard, bytes.NewReader(altered), one); err == nil {
			t.Errorf("altered at %d: no error", at)
		}
	}
	if _, err := Copy(io.Discard, bytes.NewReader(append(bytes.Clone(artifact), 0)), one); err == nil {
		t.Error("a byte too many: no error")
	}
	if _, err := Copy(io.Discard, bytes.NewReader([]byte("plain text")), one); err == nil || errors.Is(err, ErrNoKey) {
		t.Errorf("no age file: %v", err)
	}
}
