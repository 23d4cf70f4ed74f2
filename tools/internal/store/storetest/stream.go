package storetest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/railiance/railiance/tools/internal/store"
)

// Put puts size bytes that Same knows again.
func Put(s store.Store, name string, size int64) error {
	return s.Put(context.Background(), name, func(w io.Writer) error {
		_, err := io.CopyN(w, rand.NewChaCha8([32]byte{1}), size)
		return err
	})
}

// Same says whether s has the size bytes of Put.
func Same(t *testing.T, s store.Store, name string, size int64) {
	t.Helper()
	want := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(want)
	if got := get(t, s, name); !bytes.Equal(got, want) {
		t.Errorf("%d bytes come back of %d, or others", len(got), size)
	}
}

// Breaks ends dumps in every way that is not the good one, each in a store of its
// own and after size bytes. nothing says what the server itself has kept of it.
func Breaks(t *testing.T, size int, open func(t *testing.T) (s store.Store, nothing func(t *testing.T))) {
	broken := errors.New("the dump broke")
	for name, test := range map[string]struct {
		end  func(cancel context.CancelCauseFunc) error
		want error
	}{
		"an error":   {func(context.CancelCauseFunc) error { return broken }, broken},
		"a panic":    {func(context.CancelCauseFunc) error { panic("a bug") }, nil},
		"is stopped": {func(cancel context.CancelCauseFunc) error { cancel(broken); return nil }, broken},
	} {
		t.Run(name, func(t *testing.T) {
			s, nothing := open(t)
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			var err error
			func() {
				defer func() { _ = recover() }()
				err = s.Put(ctx, "disks", func(w io.Writer) error {
					if _, err := w.Write(make([]byte, size)); err != nil {
						return err
					}
					return test.end(cancel)
				})
			}()
			if !errors.Is(err, test.want) {
				t.Errorf("%v, want %v", err, test.want)
			}
			nothing(t)
			if err := Put(s, "disks", 10); err != nil {
				t.Error(err)
			}
		})
	}
}
