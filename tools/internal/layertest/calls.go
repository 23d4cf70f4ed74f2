package layertest

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

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
