package setrun_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/railiance/railiance/tools/internal/catalog"
	"github.com/railiance/railiance/tools/internal/setrun"
	"github.com/railiance/railiance/tools/internal/store"
)

// after is a store that does something once it has published.
type after struct {
	store.Store
	do func()
}

func (a after) Put(ctx context.Context, name string, write func(io.Writer) error) error {
	defer a.do()
	return a.Store.Put(ctx, name, write)
}

// begun is copies with notes, for a set that has begun.
func begun(t *testing.T, c *setrun.Copies) string {
	t.Helper()
	for _, one := range c.All {
		one.Folder.Note = filepath.Join(t.TempDir(), one.Site+".run")
		one.Folder.Now = time.Now
	}
	if err := c.Begin(t.Context(), time.Now().UTC().Truncate(time.Second)); err != nil {
		t.Fatal(err)
	}
	return catalog.ArtifactName("vm-100", c.Time, "x")
}

// A Put that was told to have failed may have published all the same: the run
// was stopped just then. What it left is found by its name.
func TestStoppedAfterTheLastByte(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var said bytes.Buffer
	c := copies(t, &said, nil, nil)
	for _, one := range c.All {
		one.Folder.Store = after{one.Folder.Store, stop}
	}
	name := begun(t, c)
	write, _ := stream(1000)
	if err := c.Put(ctx, name, write, nil); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	c.Clean(ctx)
	for _, one := range c.All {
		if there, err := one.Folder.Store.List(t.Context(), ""); err != nil || len(there) > 0 {
			t.Errorf("%s holds %v, %v", one.Site, there, err)
		}
		if _, err := os.Stat(one.Folder.Note); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: the note: %v", one.Site, err)
		}
	}
}

// A Put that hangs was left behind and may publish yet: the note stays, so that
// the next run looks again.
func TestThatWhichHangsIsNoted(t *testing.T) {
	hang := make(chan struct{})
	defer close(hang)
	var said bytes.Buffer
	c := copies(t, &said, nil, func(int) error { <-hang; return errors.New("awake") })
	c.Stall = time.Second
	name := begun(t, c)
	write, _ := stream(1000)
	if err := c.Put(t.Context(), name, write, nil); err != nil {
		t.Fatal(err)
	}
	c.Clean(t.Context())
	for i, one := range c.All {
		if _, err := os.Stat(one.Folder.Note); (err == nil) != (i == 1) {
			t.Errorf("%s: the note: %v", one.Site, err)
		}
	}
}
