package host

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The folder of a run that was killed goes at the next one; that of a run that
// lives, and one that is only just made, stay.
func TestConnectionsOfTheKilledAreSwept(t *testing.T) {
	parent, err := os.MkdirTemp("/tmp", "swept-") // a socket's path is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(parent) })
	living, err := OpenConnections(parent)
	if err != nil {
		t.Fatal(err)
	}
	defer living.Close(t.Context())
	dead, young := filepath.Join(parent, "railiance-ssh-1"), filepath.Join(parent, "railiance-ssh-2")
	past := time.Now().Add(-time.Hour)
	for _, dir := range []string{dead, young} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, dir := range []string{dead, living.dir} {
		if err := os.Chtimes(dir, past, past); err != nil {
			t.Fatal(err)
		}
	}
	next, err := OpenConnections(parent)
	if err != nil {
		t.Fatal(err)
	}
	defer next.Close(t.Context())
	for dir, stays := range map[string]bool{dead: false, young: true, living.dir: true} {
		if _, err := os.Lstat(dir); (err == nil) != stays {
			t.Errorf("%s: %v", dir, err)
		}
	}
}

// A TMPDIR that is too long for a socket, or has odd characters, is no reason
// not to reach a machine.
func TestConnectionsInALongPlace(t *testing.T) {
	for _, name := range []string{strings.Repeat("long", 30), "a space"} {
		dir := filepath.Join(t.TempDir(), name)
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		t.Setenv("TMPDIR", dir)
		c, err := OpenConnections("")
		if err != nil {
			t.Fatal(err)
		}
		if filepath.Dir(c.dir) != "/tmp" {
			t.Errorf("the connections are in %s", c.dir)
		}
		if err := c.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
}
