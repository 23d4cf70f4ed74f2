package layertest

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Kill runs a program and kills it with SIGKILL just before it changes
// something below one of the folders for the nth time: a write, an fsync, a
// link, a rename, anything that a power cut could come before. It returns what
// the program was about to do; "" says that it ended before that.
//
// Of writes that follow each other to the same file only the first two count,
// unless every is true: between the later ones nothing differs but its length.
//
// Only the program itself is watched and killed. What it started goes on by
// itself, as it would on a server.
func Kill(cmd *exec.Cmd, n int, every bool, below ...string) (at string, err error) {
	w := &watch{left: n, every: every, below: below}
	err = w.run(cmd)
	return w.at, err
}

// Changes runs a program to its end and returns what it changed below one of
// the folders, in order: "fsync PATH", "link PATH"; of a link or a rename it is
// the new name.
func Changes(cmd *exec.Cmd, below ...string) ([]string, error) {
	w := &watch{left: -1, below: below}
	err := w.run(cmd)
	return w.all, err
}

func (w *watch) run(cmd *exec.Cmd) error {
	// The kernel takes orders for a traced program from one thread alone.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd.SysProcAttr = &syscall.SysProcAttr{Ptrace: true}
	if err := cmd.Start(); err != nil {
		return err
	}
	w.pid = cmd.Process.Pid
	if err := w.follow(); err != nil {
		_ = cmd.Process.Kill()
		return fmt.Errorf("watching %s: %w", cmd.Path, err)
	}
	if w.at == "" && w.status != 0 {
		return fmt.Errorf("%s: exit status %d", cmd.Path, w.status)
	}
	return nil
}

type watch struct {
	pid    int
	left   int // changes until the kill; below zero: none
	every  bool
	below  []string
	all    []string // what it did
	again  int      // how often it did the last of it at once
	at     string
	status int
}

// syscallStop is how a stop at a system call is told from other traps.
const syscallStop = syscall.SIGTRAP | 0x80

func (w *watch) follow() error {
	var status syscall.WaitStatus
	if _, err := syscall.Wait4(w.pid, &status, 0, nil); err != nil {
		return err
	}
	// Threads are followed, processes are not.
	err := syscall.PtraceSetOptions(w.pid, syscall.PTRACE_O_TRACESYSGOOD|syscall.PTRACE_O_TRACECLONE|unix.PTRACE_O_EXITKILL)
	if err != nil {
		return err
	}
	if err := syscall.PtraceSyscall(w.pid, 0); err != nil {
		return err
	}
	for {
		tid, err := syscall.Wait4(-1, &status, unix.WALL|unix.WNOTHREAD, nil)
		switch {
		case errors.Is(err, syscall.EINTR):
			continue
		case errors.Is(err, syscall.ECHILD):
			return nil
		case err != nil:
			return err
		}
		if !status.Stopped() {
			if tid == w.pid {
				w.status = status.ExitStatus()
			}
			continue
		}
		signal := 0
		switch s := status.StopSignal(); s {
		case syscallStop:
			if err := w.syscall(tid); err != nil {
				return err
			}
		case syscall.SIGTRAP, syscall.SIGSTOP: // a thread began
		default:
			signal = int(s)
		}
		if err := syscall.PtraceSyscall(tid, signal); err != nil && !errors.Is(err, syscall.ESRCH) {
			return err
		}
	}
}

// callInfo is the kernel's struct ptrace_syscall_info at an entry.
type callInfo struct {
	op   uint8
	_    [3]uint8
	arch uint32
	_    [2]uint64 // instruction and stack pointer
	nr   uint64
	args [6]uint64
}

func (w *watch) syscall(tid int) error {
	var call callInfo
	const getSyscallInfo, entry = 0x420e, 1
	_, _, errno := syscall.Syscall6(syscall.SYS_PTRACE, getSyscallInfo, uintptr(tid), unsafe.Sizeof(call), uintptr(unsafe.Pointer(&call)), 0, 0)
	if errno == syscall.ESRCH {
		return nil
	}
	if errno != 0 {
		return errno
	}
	if call.op != entry || w.left == 0 {
		return nil
	}
	name, paths := w.change(call)
	for _, path := range paths {
		if !w.watched(path) {
			continue
		}
		did := name + " " + path
		if len(w.all) == 0 || w.all[len(w.all)-1] != did {
			w.again = 0
		}
		w.all = append(w.all, did)
		if w.again++; w.again > 2 && !w.every {
			break
		}
		if w.left--; w.left == 0 {
			w.at = did
			return syscall.Kill(w.pid, syscall.SIGKILL)
		}
		break
	}
	return nil
}

// change names a system call that changes files, and which.
func (w *watch) change(c callInfo) (string, []string) {
	switch c.nr {
	case unix.SYS_WRITE:
		return "write", []string{w.file(c.args[0])}
	case unix.SYS_PWRITE64:
		return "pwrite", []string{w.file(c.args[0])}
	case unix.SYS_FTRUNCATE:
		return "ftruncate", []string{w.file(c.args[0])}
	case unix.SYS_FSYNC:
		return "fsync", []string{w.file(c.args[0])}
	case unix.SYS_FDATASYNC:
		return "fdatasync", []string{w.file(c.args[0])}
	case unix.SYS_FCHMOD:
		return "fchmod", []string{w.file(c.args[0])}
	case unix.SYS_SENDFILE:
		return "sendfile", []string{w.file(c.args[0])}
	case unix.SYS_COPY_FILE_RANGE, unix.SYS_SPLICE:
		return "copy", []string{w.file(c.args[2])}
	case unix.SYS_OPENAT:
		if c.args[2]&unix.O_CREAT == 0 {
			return "", nil
		}
		return "create", []string{w.text(c.args[1])}
	case unix.SYS_MKDIRAT:
		return "mkdir", []string{w.text(c.args[1])}
	case unix.SYS_UNLINKAT:
		return "unlink", []string{w.text(c.args[1])}
	case unix.SYS_FCHMODAT:
		return "chmod", []string{w.text(c.args[1])}
	case unix.SYS_UTIMENSAT:
		return "utimes", []string{w.text(c.args[1])}
	case unix.SYS_LINKAT:
		return "link", []string{w.text(c.args[3]), w.text(c.args[1])}
	case unix.SYS_RENAMEAT, unix.SYS_RENAMEAT2:
		return "rename", []string{w.text(c.args[3]), w.text(c.args[1])}
	}
	return "", nil
}

func (w *watch) watched(path string) bool {
	for _, dir := range w.below {
		if strings.HasPrefix(path, dir+"/") || path == dir {
			return true
		}
	}
	return false
}

// file is what a descriptor of the program leads to.
func (w *watch) file(fd uint64) string {
	path, err := os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", w.pid, fd))
	if err != nil {
		return ""
	}
	return path
}

// text is the path at an address of the program.
func (w *watch) text(address uint64) string {
	mem, err := os.Open(filepath.Join("/proc", fmt.Sprint(w.pid), "mem"))
	if err != nil {
		return ""
	}
	defer mem.Close()
	b := make([]byte, 512)
	n, _ := mem.ReadAt(b, int64(address))
	path, _, _ := bytes.Cut(b[:n], []byte{0})
	return string(path)
}
