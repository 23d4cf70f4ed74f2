package pvetest

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// call is a program that was started: where, and with which streams.
type call struct {
	cluster
	node    string
	root    string // folder that stands for the node's /
	second  time.Duration
	in      io.Reader
	out     io.Writer
	err     io.Writer
	stopped <-chan os.Signal // asked to end
	calls   *os.File         // kept, or the collector would close it and its lock
}

// exit is how a program ends that does not do well.
type exit struct {
	code int
	text string // for standard error, with its line ends
}

func (e *exit) Error() string { return fmt.Sprintf("exit status %d: %s", e.code, e.text) }

// fail is an exit with a line on standard error.
func fail(code int, format string, args ...any) error {
	return &exit{code, fmt.Sprintf(format, args...) + "\n"}
}

func start(name string, p program, args []string) int {
	// Children die with the thread that made them.
	runtime.LockOSThread()
	c, err := here()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 125
	}
	if err := c.enter(name, args); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 125
	}
	return c.status(p(c, args))
}

// status tells a program's error and is its exit status.
func (c *call) status(err error) int {
	if err == nil {
		return 0
	}
	var e *exit
	if errors.As(err, &e) {
		_, _ = io.WriteString(c.err, e.text)
		return e.code
	}
	fmt.Fprintf(c.err, "%v\n", err)
	return 255
}

// here is the call that the environment tells of.
func here() (*call, error) {
	dir, node := os.Getenv(DirVariable), os.Getenv(NodeVariable)
	if dir == "" || node == "" {
		return nil, fmt.Errorf("pvetest: %s or %s is not set", DirVariable, NodeVariable)
	}
	c := &call{
		cluster: cluster{dir}, node: node, root: os.Getenv(NodeDirVariable), second: time.Second,
		in: os.Stdin, out: os.Stdout, err: os.Stderr,
	}
	if c.root == "" {
		c.root = c.nodeDir(node)
	}
	if s := os.Getenv(SecondVariable); s != "" {
		d, err := time.ParseDuration(s)
		if err != nil || d <= 0 {
			return nil, fmt.Errorf("pvetest: %s=%q is no duration", SecondVariable, s)
		}
		c.second = d
	}
	// A broken pipe is to be an error of write: the programs tell of it.
	signal.Ignore(syscall.SIGPIPE)
	stopped := make(chan os.Signal, 1)
	signal.Notify(stopped, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	c.stopped = stopped
	return c, nil
}

// at is a path of the node.
func (c *call) at(path string) string { return filepath.Join(c.root, path) }

// enter notes the call, and ties the life of the process to that of the World,
// if one is started.
func (c *call) enter(program string, args []string) error {
	log, err := os.OpenFile(filepath.Join(c.dir, "calls"), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o666)
	if err != nil {
		return err
	}
	// Held as long as we live, however we end: Quiet waits for it, and for whom a
	// test has seen to be called.
	c.calls = log
	if err := unix.Flock(int(log.Fd()), unix.LOCK_SH); err != nil {
		return err
	}
	if _, err := fmt.Fprintf(log, "%s: %s %s\n", c.node, program, strings.Join(args, " ")); err != nil {
		return err
	}
	life, err := os.Open(filepath.Join(c.dir, "life"))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	go func() {
		// The World holds it. When it is gone, nothing of it may be left.
		if unix.Flock(int(life.Fd()), unix.LOCK_SH) == nil {
			_ = unix.Kill(os.Getpid(), unix.SIGKILL)
		}
	}()
	return nil
}

// wait waits so many seconds of the fakes, and is an error if it was asked to
// end meanwhile.
func (c *call) wait(seconds float64) error {
	select {
	case <-c.stopped:
		return errors.New("interrupted by signal")
	case <-time.After(time.Duration(seconds * float64(c.second))):
		return nil
	}
}
