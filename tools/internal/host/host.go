// Package host runs programs on the machine we are on, and over ssh on others.
// It is the only code that starts a process, so that what every child must have
// holds everywhere: a process group that ends with us, a bounded account of
// what it complained about, and no terminal escapes of its own making in our
// messages. A Remote turns a Command into one that runs elsewhere; an SSHError
// says that it never came to run, or that the connection was lost.
package host

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Command is one program to run. Secrets do not belong into Args, which every
// user of the machine can read.
type Command struct {
	Args   []string
	Env    []string // KEY=value, on top of our own environment
	Bare   bool     // Env is all of the environment: ours may hold secrets
	Dir    string
	Stdin  io.Reader
	Stdout io.Writer            // nil: dropped
	Stderr io.Writer            // besides what an error will quote; nil: nowhere else
	Group  *syscall.SysProcAttr // namespaces and the like; nil: none. It is changed
	Files  []*os.File           // further open files, from descriptor 3 on

	remote *remote // set by Remote.Command; nil: this is a program of this machine
}

// ErrNotInstalled says that PATH has no such program.
var ErrNotInstalled = errors.New("not installed, or not in PATH")

// ExitError says how a program failed. Its text quotes the last lines of its
// standard error.
type ExitError struct {
	Name   string
	Code   int // -1: killed by a signal, or out of time
	How    string
	Stderr string
}

func (e *ExitError) Error() string {
	if e.Stderr == "" {
		return fmt.Sprintf("%s: %s", e.Name, e.How)
	}
	return fmt.Sprintf("%s: %s: %s", e.Name, e.How, e.Stderr)
}

// Grace is how long a child that was asked to end may take before it is
// killed.
const Grace = 15 * time.Second

// Run runs c to its end. When ctx is done, the whole process group of c is
// asked to end, and killed after Grace.
func Run(ctx context.Context, c Command) error {
	p, err := Start(ctx, c)
	if err != nil {
		return err
	}
	return p.Wait()
}

// Output is Run that returns standard output, which may have max bytes at the
// most. A program that prints more is read to its end, for what it says then,
// but not for ever; if nothing else is wrong the error is an *OverError.
func Output(ctx context.Context, c Command, max int) ([]byte, error) {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	over := &OverError{Name: name(c), Max: max}
	out := &bounded{max: max, flooded: func() { stop(over) }}
	c.Stdout = out
	err := Run(ctx, c)
	switch {
	case errors.Is(err, over):
		over.Endless = true
		return nil, over
	case err != nil:
		return out.kept, err
	case out.over:
		return nil, over
	}
	return out.kept, nil
}

// OverError says that a program printed too much.
type OverError struct {
	Name    string
	Max     int  // bytes that were allowed
	Endless bool // it was stopped
}

func (e *OverError) Error() string {
	text := fmt.Sprintf("%s: printed more than %d bytes", e.Name, e.Max)
	if e.Endless {
		text += ", and did not end"
	}
	return text
}

// Process is a program that was started.
type Process struct {
	ctx  context.Context
	name string
	cmd  *exec.Cmd
	tail *tail

	remote *remoteStderr // nil: the program runs here
}

// Start starts c and returns. Wait must be called.
func Start(ctx context.Context, c Command) (*Process, error) {
	if c.remote != nil && c.remote.err != nil {
		return nil, c.remote.err
	}
	path, err := exec.LookPath(c.Args[0])
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name(c), ErrNotInstalled)
	}
	cmd := exec.CommandContext(ctx, path, c.Args[1:]...)
	cmd.Args[0] = c.Args[0]
	cmd.Env = append([]string{}, c.Env...) // nil would mean ours
	if !c.Bare {
		cmd.Env = append(withoutKeys(os.Environ()), c.Env...)
	}
	cmd.Dir, cmd.Stdin, cmd.Stdout, cmd.ExtraFiles = c.Dir, c.Stdin, c.Stdout, c.Files
	p := &Process{ctx: ctx, name: name(c), cmd: cmd, tail: &tail{}}
	cmd.Stderr = p.tail
	if c.Stderr != nil {
		cmd.Stderr = io.MultiWriter(p.tail, c.Stderr)
	}
	if c.remote != nil {
		p.remote = &remoteStderr{to: cmd.Stderr}
		cmd.Stderr = p.remote
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{}
	if c.Group != nil {
		cmd.SysProcAttr = c.Group
	}
	cmd.SysProcAttr.Setpgid = true
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = Grace
	if err := childrenOf(ctx).start(p); err != nil {
		return nil, fmt.Errorf("%s: %w", p.name, err)
	}
	return p, nil
}

// Wait waits for the end of the program and of its process group.
func (p *Process) Wait() error {
	err := p.cmd.Wait()
	childrenOf(p.ctx).ended(p)
	if p.remote != nil {
		p.remote.flush()
	}
	if p.ctx.Err() != nil {
		_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
		return fmt.Errorf("%s: stopped: %w", p.name, context.Cause(p.ctx))
	}
	var exit *exec.ExitError
	if p.remote != nil && (err == nil || errors.As(err, &exit)) {
		if lost := p.remote.failure(p.name, p.cmd.ProcessState.ExitCode()); lost != nil {
			return lost
		}
	}
	if err == nil {
		return nil
	}
	if errors.As(err, &exit) {
		return &ExitError{Name: p.name, Code: exit.ExitCode(), How: exit.ProcessState.String(), Stderr: p.tail.String()}
	}
	return fmt.Errorf("%s: %w", p.name, err)
}

// Said is the end of what the program has complained about so far, on one line.
func (p *Process) Said() string { return p.tail.String() }

// Signal signals the process group of the program.
func (p *Process) Signal(s syscall.Signal) error { return syscall.Kill(-p.cmd.Process.Pid, s) }

func name(c Command) string {
	if c.remote != nil {
		return c.remote.name
	}
	words := []string{filepath.Base(c.Args[0])}
	for _, arg := range c.Args[1:] {
		if strings.HasPrefix(arg, "-") || strings.Contains(arg, "/") || len(words) == 3 {
			break
		}
		words = append(words, arg)
	}
	return strings.Join(words, " ")
}

// systemPath is where the programs of a server are, whatever cron thinks.
var systemPath = []string{"/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"}

// WidenPath appends to PATH the system's folders that it lacks: cron's PATH
// knows no /usr/local/bin, where k3s is.
func WidenPath() error {
	dirs := filepath.SplitList(os.Getenv("PATH"))
	for _, dir := range systemPath {
		if !slices.Contains(dirs, dir) {
			dirs = append(dirs, dir)
		}
	}
	return os.Setenv("PATH", strings.Join(dirs, string(filepath.ListSeparator)))
}

// withoutKeys is an environment without the private keys that sops's variables
// may hold: no program that we start has a use for them.
func withoutKeys(env []string) []string {
	return slices.DeleteFunc(slices.Clone(env), func(variable string) bool {
		return strings.HasPrefix(variable, "SOPS_AGE_")
	})
}
