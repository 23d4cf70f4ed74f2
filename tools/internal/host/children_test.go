package host

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

// A program that exits at once leaves nothing running, and begins nothing more:
// not even to clean up, which does not end with the context.
func TestChildren(t *testing.T) {
	ctx, children := WithChildren(t.Context())
	pids := filepath.Join(t.TempDir(), "pids")
	c := sh(`trap '' TERM; sleep 300 & echo $$ $! >"$PIDS.new"; mv "$PIDS.new" "$PIDS"; wait`)
	c.Env = []string{"PIDS=" + pids}
	ended := make(chan error, 1)
	go func() { ended <- Run(context.WithoutCancel(ctx), c) }()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if _, err := os.Stat(pids); err == nil {
			break
		}
		if time.Now().After(end) {
			t.Fatal("the program does not begin")
		}
	}
	if err := Run(ctx, sh("true")); err != nil {
		t.Fatal(err)
	}
	if names := children.Names(); !reflect.DeepEqual(names, []string{"sh"}) {
		t.Errorf("%q run", names)
	}
	children.Kill()
	var exit *ExitError
	if err := <-ended; !errors.As(err, &exit) || !strings.Contains(exit.How, "killed") {
		t.Error(err)
	}
	if names := children.Names(); len(names) > 0 {
		t.Errorf("%q run", names)
	}
	proof := filepath.Join(t.TempDir(), "proof")
	if err := Run(ctx, Command{Args: []string{"touch", proof}}); err == nil || !strings.Contains(err.Error(), "touch: not started: the program is ending") {
		t.Error(err)
	}
	if _, err := os.Stat(proof); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("one more has run: %v", err)
	}
	if err := Run(t.Context(), sh("true")); err != nil {
		t.Errorf("one that is nobody's child: %v", err)
	}
}

// Of what runs elsewhere the machine is told, once.
func TestChildrenElsewhere(t *testing.T) {
	bin := t.TempDir()
	if err := os.WriteFile(filepath.Join(bin, "ssh"), []byte("#!/bin/sh\nexec sleep 300\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	ctx, children := WithChildren(t.Context())
	for range 2 {
		p, err := Start(ctx, Remote{Target: "root@baobab"}.Command(Command{Args: []string{"timeout", "30", "pvesh"}}))
		if err != nil {
			t.Fatal(err)
		}
		defer p.Wait()
	}
	defer children.Kill()
	if names := children.Names(); !reflect.DeepEqual(names, []string{"ssh root@baobab"}) {
		t.Errorf("%q run", names)
	}
}
