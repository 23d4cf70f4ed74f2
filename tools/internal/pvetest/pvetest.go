// Package pvetest is the Proxmox cluster of the tests: its programs (pvesh, qm,
// pct, vzdump, qmrestore, pvesm, pveversion) as fakes that act on a folder, and
// a World of three nodes that real sshds lead to.
//
// The one thing to know: a fake refuses what it does not know, and what it
// answers is held, byte for byte, against recordings of Proxmox VE 9.2, with
// the answers that look like success and are none. Not held against a
// recording, and written from what is public, is what a drill and a repair
// need (qm start, stop, shutdown, set, destroy, unlock, guest cmd, agent;
// pct start, stop, shutdown, set, destroy, unlock, mount, unmount, exec), what
// only a cluster of several nodes shows (the entries of nodes and clusters in
// pvesh, the wait for the global lock), running containers, lvmthin storages,
// and a vzdump that a signal ends.
//
// A cluster is a folder, in DirVariable, and each node a folder that stands for
// its /; paths that the programs print lie in it, so that they can be opened:
//
//	cluster.json            the nodes, and which of them are known to be up
//	pve/                    what pmxcfs shows as /etc/pve: storage.cfg, user.cfg,
//	                        .vmlist, nodes/<node>/{qemu-server,lxc}/<vmid>.conf
//	run/<vmid>.json         a guest that runs
//	faults/                 see Fault
//	calls                   a line for each program that was started
//	nodes/<node>/           a node's /, with var/lib/vz and a link etc/pve
//	nodes/<node>/rootfs/<vmid>  the content of a container's volumes
//	shared/                 the storages that all nodes share
//
// Disks of virtual machines are sparse raw files with real content.
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

// What the fakes need in their environment.
const (
	DirVariable     = "PVE_DIR"      // folder of the cluster
	NodeVariable    = "PVE_NODE"     // name of the node that we are on
	NodeDirVariable = "PVE_NODE_DIR" // folder of that node; not set: nodes/<node> of the cluster
	SecondVariable  = "PVE_SECOND"   // how long a second of the fakes' patience lasts, as 10ms; not set: 1s
)

// Programs are the fakes by name. Each takes its arguments, without its name,
// and returns its exit status.
func Programs() map[string]func(args []string) int {
	all := map[string]func(args []string) int{}
	for name, p := range programs() {
		all[name] = func(args []string) int { return start(name, p, args) }
	}
	return all
}

// Dispatch becomes the fake that the name of the running executable names, and
// returns if it names none. The executable that a World is given must call it
// first in main, or in TestMain where that is not testscript's.
func Dispatch() {
	if p, ok := Programs()[filepath.Base(os.Args[0])]; ok {
		os.Exit(p(os.Args[1:]))
	}
}

type program func(c *call, args []string) error

func programs() map[string]program {
	return map[string]program{
		"pvesh": pvesh, "qm": qm, "pct": pct, "vzdump": vzdump,
		"qmrestore": qmrestore, "pvesm": pvesm, "pveversion": pveversion,
	}
}

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
	if _, err := fmt.Fprintf(log, "%s: %s %s\n", c.node, program, strings.Join(args, " ")); err != nil {
		return err
	}
	// Held as long as we live, however we end: Quiet waits for it.
	if err := unix.Flock(int(log.Fd()), unix.LOCK_SH); err != nil {
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

func pveversion(c *call, args []string) error {
	if len(args) > 0 {
		return fail(255, "Unknown option: %s\n400 unable to parse option\npveversion [OPTIONS]", strings.TrimLeft(args[0], "-"))
	}
	_, err := fmt.Fprintf(c.out, "pve-manager/9.2.11/0123456789abcdef (running kernel: 6.17.2-1-pve)\n")
	return err
}
