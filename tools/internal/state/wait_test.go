package state

import (
	"context"
	"errors"
	"testing"
	"time"
)

func TestWait(t *testing.T) {
	dir := t.TempDir()
	held, err := Acquire(dir)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	if _, err := Wait(ctx, dir); !errors.Is(err, ErrHeld) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v, want that it is held, and the time over", err)
	}
	released := make(chan error, 1)
	go func() {
		time.Sleep(30 * time.Millisecond)
		released <- held.Unlock()
	}()
	lock, err := Wait(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(<-released, lock.Unlock()); err != nil {
		t.Fatal(err)
	}
	// What waiting cannot mend is told at once.
	if _, err := Wait(t.Context(), dir+"/none"); err == nil {
		t.Error("there is no such folder")
	}
}
