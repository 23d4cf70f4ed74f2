// Package shell is what is around the verbs of every executable: flags,
// environment, signals, output and exit status are the same everywhere, as
// layers/README.md promises. Package plugin adds the layer to it.
//
// The one thing to know: only Main turns an error into an exit status, so a
// verb returns what went wrong and never exits.
package shell

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"os/user"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/railiance/railiance/tools/internal/host"
	"github.com/railiance/railiance/tools/internal/state"
	"github.com/railiance/railiance/tools/internal/tell"
)

// Version is what --version and the manifests say.
const Version = "0.1.0"

// The exit statuses of every executable.
const (
	ExitDone   = 0
	ExitFailed = 1
	ExitUsage  = 2
	ExitHeld   = 3
)

// Usage is an error in how the program was called or set up: nothing was tried.
type Usage struct{ Err error }

func (u *Usage) Error() string { return u.Err.Error() }

func (u *Usage) Unwrap() error { return u.Err }

// ErrTold says that it failed and that the story has told why already.
var ErrTold = errors.New("failed")

// Shell is what a verb gets from its surroundings.
type Shell struct {
	Program string
	Stdin   *os.File
	Stdout  io.Writer // writing to it never fails; Main tells of what was lost
	Tell    *tell.Teller
	Now     func() time.Time
	JSON    bool

	logFile string
	out     *output // Stdout
}

// Main runs the program and returns its exit status.
func Main(program string, verbs func(*Shell) *cobra.Command) int {
	syscall.Umask(0o077)
	// These run beside etcd and the API server, which have better use for the
	// memory. The largest snapshot costs a few more collections.
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(50)
	}
	// Else a reader that has left, of the result or of the story, would kill the
	// deed, and what it has on nodes and in stores would stay as it is. Not
	// ignored, since children would inherit that.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	out := &output{w: os.Stdout}
	sh := &Shell{
		Program: program, Stdin: os.Stdin, Stdout: out, Now: time.Now, out: out,
		Tell: &tell.Teller{
			Program: program, W: os.Stderr,
			Terminal: term.IsTerminal(int(os.Stderr.Fd())),
			Colour:   term.IsTerminal(int(os.Stderr.Fd())) && os.Getenv("NO_COLOR") == "",
		},
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	ctx, children := host.WithChildren(ctx)
	if err := host.WidenPath(); err != nil {
		sh.Tell.Fail("", err)
		return ExitFailed
	}
	root := verbs(sh)
	sh.dress(root)
	status, over := ExitFailed, make(chan struct{})
	go func() {
		defer close(over)
		status = sh.status(root.ExecuteContext(ctx))
	}()
	story := &tell.Teller{Program: program, W: os.Stderr}
	if attend(ctx, story, children, over) {
		children.Kill()
		story.Fail("", errors.New("ended at once, on a second signal"))
		return ExitFailed
	}
	if err := out.incomplete(); err != nil {
		sh.Tell.Fail("", fmt.Errorf("the result could not be written: %w", err))
		status = max(status, ExitFailed)
	}
	return status
}

// Unread says that nobody gets what is written to Stdout any more, for what goes
// on until it is stopped.
func (sh *Shell) Unread() bool { return sh.out != nil && sh.out.failure() != nil }

// dress gives the command line what every executable has.
func (sh *Shell) dress(root *cobra.Command) {
	root.Use = sh.Program
	root.Version = Version
	root.SilenceErrors, root.SilenceUsage = true, true
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return &Usage{err} })
	strictly(root)
	flags := root.PersistentFlags()
	flags.BoolVar(&sh.JSON, "json", false, "results as one JSON object per line")
	flags.StringVar(&sh.logFile, "log", "", "append the story to this file, rotated, instead of standard error")
	root.PersistentPreRunE = func(*cobra.Command, []string) error { return sh.openLog() }
}

// strictly refuses what a command and those below it do not know.
func strictly(cmd *cobra.Command) {
	if cmd.Args == nil {
		cmd.Args = noArgs
	}
	if !cmd.Runnable() {
		// Else cobra shows its help and reports success, also for a verb that
		// does not exist: a schedule that misspells one would be content.
		cmd.RunE = func(*cobra.Command, []string) error {
			return &Usage{tell.Hint(errors.New("no verb was given"), "%s --help lists them", cmd.CommandPath())}
		}
	}
	for _, verb := range cmd.Commands() {
		strictly(verb)
	}
}

func noArgs(_ *cobra.Command, args []string) error {
	if len(args) > 0 {
		return &Usage{fmt.Errorf("unexpected argument %q", args[0])}
	}
	return nil
}

func (sh *Shell) status(err error) int {
	var usage *Usage
	switch {
	case err == nil:
		return ExitDone
	case errors.As(err, &usage):
		sh.Tell.Fail("", err)
		return ExitUsage
	case errors.Is(err, state.ErrHeld):
		sh.Tell.Fail("", tell.Hint(err, "wait for it to end; it was not disturbed"))
		return ExitHeld
	case errors.Is(err, ErrTold):
	default:
		sh.Tell.Fail("", err)
	}
	return ExitFailed
}

// Home is the user's home folder, also where HOME is not set.
func Home() string {
	if home := os.Getenv("HOME"); home != "" {
		return home
	}
	if u, err := user.Current(); err == nil {
		return u.HomeDir
	}
	return "/root"
}

// Tool is what made a set: program, version and revision.
func (sh *Shell) Tool() string {
	revision := ""
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				revision = " " + s.Value[:min(12, len(s.Value))]
			}
		}
	}
	return sh.Program + " " + Version + revision
}

// Print writes one result: as JSON where that was asked for, else by text.
func (sh *Shell) Print(object any, text func(w io.Writer)) error {
	if !sh.JSON {
		text(sh.Stdout)
		return nil
	}
	return json.NewEncoder(sh.Stdout).Encode(object)
}
