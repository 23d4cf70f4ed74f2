// Package sandbox shuts a process of ours, and all that it starts, off from
// the machine: no network but a loopback of its own, no other process in
// sight, nothing writable but a folder that goes with it.
//
// The one thing to know: the process is the init of its own PID namespace, so
// that the kernel kills everything in it when it ends, in whatever way, and
// takes its mounts and its network away with it. Nobody has to clean up.
package sandbox

import (
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"
)

// Where things are inside.
const (
	// Dir is the one folder that can be written to: a tmpfs, or the folder on
	// disk that was given.
	Dir = "/run/scratch"
	// Address and Address6 are of the loopback interface, and so is the default
	// route: some servers refuse to start on a machine without. They are of the
	// blocks that are set aside for documentation (RFC 5737, RFC 3849).
	Address  = "192.0.2.1"
	Address6 = "2001:db8::1"
)

// Attributes start a process in namespaces of its own, which then has to call
// Enter. The process is killed when the thread that started it ends: the
// caller stays on it (runtime.LockOSThread) until the process has ended.
func Attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWIPC,
		Pdeathsig:  syscall.SIGKILL,
	}
}

// Outside tells the namespaces of the process that starts the other one. Enter
// wants it as proof that it is inside, before it changes anything.
type Outside map[string]string

// Here is the Outside of this process.
func Here() (Outside, error) {
	here := Outside{}
	for _, kind := range []string{"mnt", "net"} {
		link, err := os.Readlink(filepath.Join("/proc/self/ns", kind))
		if err != nil {
			return nil, fmt.Errorf("sandbox: %w", err)
		}
		here[kind] = link
	}
	return here, nil
}

// Options are what Enter makes the inside of.
type Options struct {
	Outside Outside
	Memory  int64  // bytes that Dir may take, where it is in memory
	Disk    string // an existing folder that Dir is to be instead; empty: none
	IPv6    bool   // Address6 is wanted too
}

// Enter shuts the running process off. It fails, having changed nothing, in a
// process that was not started with Attributes.
func Enter(o Options) error {
	if err := inside(o.Outside); err != nil {
		return fmt.Errorf("sandbox: %w", err)
	}
	if err := mounts(o); err != nil {
		return fmt.Errorf("sandbox: %w", err)
	}
	if err := loopback(o.IPv6); err != nil {
		return fmt.Errorf("sandbox: loopback: %w", err)
	}
	return nil
}

// inside is the guard of everything else: outside of a namespace of its own,
// Enter would make the machine itself read-only.
func inside(outside Outside) error {
	here, err := Here()
	if err != nil {
		return err
	}
	if os.Getpid() != 1 || len(outside) != len(here) {
		return errNotInside
	}
	for kind, link := range here {
		if outside[kind] == "" || outside[kind] == link {
			return errNotInside
		}
	}
	links, err := net.Interfaces()
	if err != nil {
		return err
	}
	for _, link := range links {
		// The kernel may add tunnels of its own to a new namespace (sit0, …);
		// they are down, lead nowhere, and stay so.
		if link.Flags&(net.FlagLoopback|net.FlagUp) == net.FlagUp {
			return fmt.Errorf("the network interface %s is there already", link.Name)
		}
	}
	return nil
}

var errNotInside = fmt.Errorf("this process is not in namespaces of its own: %w", fs.ErrInvalid)
