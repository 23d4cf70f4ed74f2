package setrun_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/railiance/railiance/tools/internal/setrun"
	"github.com/railiance/railiance/tools/internal/store"
)

// silent is a store that says what it holds only when wait has come back.
type silent struct {
	store.Store
	wait func(context.Context) error
}

func (s silent) List(ctx context.Context, prefix string) ([]store.Entry, error) {
	if err := s.wait(ctx); err != nil {
		return nil, err
	}
	return s.Store.List(ctx, prefix)
}

// stopped are copies in two folders that a stopped run has begun and not
// published, where the store of the second one has become silent.
func stopped(t *testing.T, said *bytes.Buffer, wait func(context.Context) error) (context.Context, *setrun.Copies) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	c := copies(t, said, nil, nil)
	name := begun(t, c)
	write, _ := stream(1000)
	if err := c.Put(ctx, name, write, nil); err != nil {
		t.Fatal(err)
	}
	second := c.All[1].Folder
	second.Store = silent{second.Store, wait}
	stop()
	return ctx, c
}

// debris says which of the folders hold something, and which have their note.
func debris(t *testing.T, c *setrun.Copies) (held, noted string) {
	t.Helper()
	for _, one := range c.All {
		s := one.Folder.Store
		if quiet, is := s.(silent); is {
			s = quiet.Store
		}
		there, err := s.List(context.WithoutCancel(t.Context()), "")
		if err != nil {
			t.Fatal(err)
		}
		if len(there) > 0 {
			held += one.Site
		}
		if _, err := os.Stat(one.Folder.Note); err == nil {
			noted += one.Site
		}
	}
	return held, noted
}

// Who has stopped a run waits for what it cleans up: long enough for a store
// that is slow, and not for ever for one that is silent. What such a one holds
// is left to the next run, which the note tells of it.
func TestAStoppedRunCleansUpAndEnds(t *testing.T) {
	for name, test := range map[string]struct {
		wait        func(hang chan struct{}) func(context.Context) error
		held, noted string
		says        string
	}{
		"an answer after 20 s": {func(chan struct{}) func(context.Context) error {
			return func(ctx context.Context) error {
				select {
				case <-time.After(20 * time.Second):
					return nil
				case <-ctx.Done():
					return context.Cause(ctx)
				}
			}
		}, "", "", ""},
		"no answer": {func(chan struct{}) func(context.Context) error {
			return func(ctx context.Context) error { <-ctx.Done(); return context.Cause(ctx) }
		}, "b", "b", "could not be removed, the next run does: "},
		"a call that nothing ends": {func(hang chan struct{}) func(context.Context) error {
			return func(context.Context) error { <-hang; return errors.New("awake") }
		}, "b", "b", "could not be removed, the next run does: no answer within"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				hang := make(chan struct{})
				defer close(hang)
				var said bytes.Buffer
				ctx, c := stopped(t, &said, test.wait(hang))
				begin := time.Now()
				c.Clean(ctx)
				if took := time.Since(begin); took > time.Minute {
					t.Errorf("it took %s", took)
				}
				if held, noted := debris(t, c); held != test.held || noted != test.noted {
					t.Errorf("%q hold something, want %q; %q are noted, want %q", held, test.held, noted, test.noted)
				}
				if !strings.Contains(said.String(), test.says) || (test.says == "") != (said.Len() == 0) {
					t.Errorf("it says %q", said.String())
				}
			})
		})
	}
}

// A folder by itself, as that of a layer, is not waited for without end either,
// and its call is ended.
func TestAbandonEndsTheCallThatIsNotAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var said bytes.Buffer
		ctx, c := stopped(t, &said, func(ctx context.Context) error { <-ctx.Done(); return context.Cause(ctx) })
		begin := time.Now()
		err := c.All[1].Folder.Abandon(ctx, c.Time)
		if took := time.Since(begin); took < 10*time.Second || took > time.Minute {
			t.Errorf("it took %s", took)
		}
		if err == nil || !strings.Contains(err.Error(), "the store does not answer") {
			t.Error(err)
		}
	})
}
