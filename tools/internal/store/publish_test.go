package store

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// Where there are no hard links a name is still given once only, and any other
// trouble is not tried to be got around.
func TestPublishWithoutLinks(t *testing.T) {
	fails := func(errno error) func(string, string) error {
		return func(draft, final string) error { return &os.LinkError{Op: "link", Old: draft, New: final, Err: errno} }
	}
	dir := t.TempDir()
	draft, final := filepath.Join(dir, "draft"), filepath.Join(dir, "final")
	for _, text := range []string{"first", "second"} {
		if err := os.WriteFile(draft, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		err := publish(fails(unix.EIO), draft, final)
		if !errors.Is(err, unix.EIO) {
			t.Errorf("%v, want the error of the disk", err)
		}
		err = publish(fails(unix.EPERM), draft, final)
		if taken := text == "second"; errors.Is(err, fs.ErrExist) != taken || (err == nil) == taken {
			t.Errorf("%s: %v", text, err)
		}
		if b, err := os.ReadFile(final); err != nil || string(b) != "first" {
			t.Errorf("%q, %v", b, err)
		}
	}
}
