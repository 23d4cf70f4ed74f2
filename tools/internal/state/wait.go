package state

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Wait is Acquire that waits for a held lock until ctx is done. It is for locks
// that are held for moments, as around the change of one file.
func Wait(ctx context.Context, dir string) (*Lock, error) {
	for {
		lock, err := Acquire(dir)
		if !errors.Is(err, ErrHeld) {
			return lock, err
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: %w", err, context.Cause(ctx))
		case <-time.After(10 * time.Millisecond):
		}
	}
}
