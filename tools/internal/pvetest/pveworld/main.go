// Command pveworld makes a Proxmox cluster of three nodes with guests in an
// empty folder, for demonstrations and for trying things by hand.
//
//	pveworld DIR -- COMMAND…     the nodes are up as long as COMMAND runs
//	pveworld DIR VERB ARGUMENTS  changes the cluster meanwhile; see World.Do
//
// The one thing to know: COMMAND finds an ssh in its PATH that knows the nodes
// baobab, ebony and tapia, the folder in PVE_WORLD, and in it a context without
// stores, madagascar.json. Its exit status is ours.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/railiance/railiance/tools/internal/pvetest"
)

func main() {
	pvetest.Dispatch()
	status, err := run(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		status = max(status, 1)
	}
	os.Exit(status)
}

func run(args []string) (int, error) {
	if len(args) < 3 {
		return 2, errors.New("pveworld: want DIR -- COMMAND… or DIR VERB ARGUMENTS")
	}
	if args[1] == "--" {
		return serve(args[0], args[2:])
	}
	w, err := pvetest.Open(args[0])
	if err != nil {
		return 1, err
	}
	return 0, w.Do(args[1:]...)
}

// serve makes the cluster and starts it for a command.
func serve(dir string, command []string) (status int, err error) {
	program, err := os.Executable()
	if err != nil {
		return 1, err
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return 1, err
	}
	w, err := pvetest.New(dir, program)
	if err != nil {
		return 1, err
	}
	if err := w.Populate(); err != nil {
		return 1, err
	}
	if err := w.WriteContext(filepath.Join(dir, "madagascar.json")); err != nil {
		return 1, err
	}
	// Before anything is started, or a signal could come between.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	if err := w.Start(); err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, w.Stop()) }()
	c := exec.CommandContext(ctx, command[0], command[1:]...)
	c.Env = append(append(os.Environ(), w.Env()...), "PVE_WORLD="+dir)
	c.Stdin, c.Stdout, c.Stderr = os.Stdin, os.Stdout, os.Stderr
	c.Cancel = func() error { return c.Process.Signal(syscall.SIGTERM) }
	c.WaitDelay = 10 * time.Second
	err = c.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return max(1, exit.ExitCode()), nil
	}
	return 0, err
}
