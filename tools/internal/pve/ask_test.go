package pve

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/railiance/railiance/tools/internal/pvetest"
)

// Whoever stops a question reads why it was stopped, once, and not that no node
// can be asked.
func TestStoppedWhileAsking(t *testing.T) {
	w, shared := world(t)
	ok(t, w.AddVM(pvetest.VM{ID: 100, Node: "baobab", Name: "web"}))
	fault := func(line string) {
		for _, node := range []string{"baobab", "ebony", "tapia"} {
			ok(t, w.SetFault(pvetest.Fault("pvesh-"+node), line))
		}
	}
	why := errors.New("interrupted")
	for _, known := range []bool{false, true} { // the way to the node
		c := &Cluster{Context: shared.Context, Timeout: shared.Timeout} // each its own connection
		if known {
			_, err := c.Discover(soon(t))
			ok(t, err)
		}
		fault("hang")
		before, err := w.Calls()
		ok(t, err)
		ctx, stop := context.WithCancelCause(soon(t))
		var asked sync.WaitGroup
		for name, ask := range map[string]func() error{
			"a guest":       func() error { _, err := c.Locate(ctx, 100); return err },
			"what there is": func() error { _, err := c.Discover(ctx); return err },
			"the storages":  func() error { _, err := c.Storages(ctx, "baobab"); return err },
			"a free number": func() error {
				if known {
					return why // it reads a file, which never hangs here
				}
				_, err := c.FreeID(ctx, 900, 910)
				return err
			},
		} {
			asked.Go(func() {
				if err := ask(); !errors.Is(err, why) || err.Error() != "interrupted" {
					t.Errorf("%s, known %v: %v", name, known, err)
				}
			})
		}
		for hangs := false; !hangs; time.Sleep(50 * time.Millisecond) {
			calls, err := w.Calls()
			ok(t, err)
			hangs = len(calls) > len(before)+2
		}
		stop(why)
		asked.Wait()
		fault("")
	}
}

// A program is called by its own name, not by that of what bounds it on the node.
func TestNoAnswer(t *testing.T) {
	w, c := world(t)
	ok(t, w.SetFault("pvesh-baobab", "hang"))
	c.Timeout = time.Second
	_, err := c.Storages(soon(t), "baobab")
	if err == nil || !strings.Contains(err.Error(), "pvesh get /cluster/status: no answer in 1s") {
		t.Error(err)
	}
}
