package catalog

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"strings"
	"testing"

	"filippo.io/age"

	"github.com/railiance/railiance/tools/internal/store"
)

// sealed is some bytes, encrypted to n recipients.
func sealed(t *testing.T, n int) []byte {
	t.Helper()
	var to []age.Recipient
	for range n {
		key, err := age.GenerateX25519Identity()
		if err != nil {
			t.Fatal(err)
		}
		to = append(to, key.Recipient())
	}
	var b bytes.Buffer
	w, err := age.Encrypt(&b, to...)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(make([]byte, 100_000)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestVerifyArtifact(t *testing.T) {
	two := sealed(t, 2)
	sum := sha256.Sum256(two)
	a := Artifact{Name: "a-20261121T120000Z.x.age", Size: int64(len(two)), SHA256: hex.EncodeToString(sum[:]), Recipients: []string{"one", "two"}}
	flipped := bytes.Clone(two)
	flipped[len(flipped)/2] ^= 1
	for name, c := range map[string]struct {
		b    []byte
		tell func(*Artifact)
		want string
	}{
		"whole":                  {b: two},
		"torn":                   {b: two[:len(two)-1], want: "torn: "},
		"empty":                  {b: nil, want: "torn: 0 of"},
		"too long":               {b: append(bytes.Clone(two), 0), want: "too long"},
		"altered":                {b: flipped, want: "altered"},
		"for fewer than it says": {b: two, tell: func(a *Artifact) { a.Recipients = []string{"a", "b", "c"} }, want: "encrypted to 2 recipients, not to the 3"},
		"for more than it says":  {b: two, tell: func(a *Artifact) { a.Recipients = []string{"a"} }, want: "encrypted to 2 recipients, not to the 1"},
		"no age file":            {b: bytes.Repeat([]byte("plain\n"), 99), tell: describe(bytes.Repeat([]byte("plain\n"), 99)), want: "not an age file"},
		"a header without end":   {b: []byte("age-encryption.org/v1\n-> X25519 a\n"), tell: describe([]byte("age-encryption.org/v1\n-> X25519 a\n")), want: "its header has no end"},
	} {
		t.Run(name, func(t *testing.T) {
			dir, err := store.MakeDir(t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			err = dir.Put(context.Background(), a.Name, func(w io.Writer) error {
				_, err := w.Write(c.b)
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			a := a
			if c.tell != nil {
				c.tell(&a)
			}
			err = VerifyArtifact(context.Background(), dir, a)
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("%v, want %q", err, c.want)
			}
			if err := VerifyArtifact(context.Background(), dir, Artifact{Name: "b"}); err == nil || err.Error() != "missing" {
				t.Errorf("%v, want that it is missing", err)
			}
			ctx, cancel := context.WithCancel(context.Background())
			cancel()
			if err := VerifyArtifact(ctx, dir, a); !errors.Is(err, context.Canceled) {
				t.Errorf("stopped: %v", err)
			}
		})
	}
}

// describe makes a manifest agree with other bytes.
func describe(b []byte) func(*Artifact) {
	return func(a *Artifact) {
		sum := sha256.Sum256(b)
		a.Size, a.SHA256 = int64(len(b)), hex.EncodeToString(sum[:])
	}
}
