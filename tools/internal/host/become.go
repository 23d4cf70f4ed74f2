package host

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os/exec"
	"os/signal"
	"syscall"
)

// Become replaces this process by the program args[0] with env as all of its
// environment: the signals, the terminal and the exit status are then the
// program's own, and nothing of ours stays in memory. It returns only where it
// failed, or where ctx, which Main cancels on a signal, is done already; the
// signals that were caught then have their usual effect again.
func Become(ctx context.Context, args, env []string) error {
	path, err := exec.LookPath(args[0])
	switch {
	case errors.Is(err, exec.ErrNotFound), errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%s: %w", Printable(args[0]), ErrNotInstalled)
	case err != nil:
		return fmt.Errorf("%s: %w", Printable(args[0]), cause(err))
	}
	// Before ctx is looked at: a signal between the two would be lost. And what
	// nohup ignores is ignored again, which the kernel hands on.
	signal.Reset(syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	if err := ctx.Err(); err != nil {
		return err
	}
	return fmt.Errorf("%s: %w", Printable(path), syscall.Exec(path, args, env))
}

// cause is err without the name of the program, which its reader knows.
func cause(err error) error {
	var lookup *exec.Error
	if errors.As(err, &lookup) {
		return lookup.Err
	}
	return err
}
