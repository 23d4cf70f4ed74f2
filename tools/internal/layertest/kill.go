package layertest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"
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
		tid, err := w.next()
		if err != nil {
			return err
		}
		if _, err := syscall.Wait4(tid, &status, unix.WALL|unix.WNOTHREAD, nil); err != nil {
			return err
		}
		if !status.Stopped() {
			if tid == w.pid { // the last of its threads
				w.status = status.ExitStatus()
				return nil
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

// next waits until a thread of the program stops or ends. It looks before it
// takes: this thread of ours may have started other programs too, for tests
// that run beside this one and wait for them themselves.
func (w *watch) next() (int, error) {
	for {
		var info unix.Siginfo
		err := unix.Waitid(unix.P_ALL, 0, &info, unix.WEXITED|unix.WSTOPPED|unix.WALL|unix.WNOTHREAD|unix.WNOWAIT, nil)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return 0, err
		}
		// si_pid follows three numbers and a gap.
		tid := int(*(*int32)(unsafe.Add(unsafe.Pointer(&info), 16)))
		if _, err := os.Stat(fmt.Sprintf("/proc/%d/task/%d", w.pid, tid)); err == nil || tid == w.pid {
			return tid, nil
		}
		time.Sleep(time.Millisecond)
	}
}
