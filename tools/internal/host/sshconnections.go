package host

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// Connections are the ssh connections of one run: the commands to one machine
// share one, which costs a third of connecting anew. Close must be called; after
// a kill they end by themselves within a minute.
type Connections struct {
	dir  string
	lock *os.File // of dir, held as long as we live
}

// OpenConnections makes the private folder of the connections inside parent;
// empty means the system's folder for temporary files.
func OpenConnections(parent string) (*Connections, error) {
	if parent == "" {
		parent = shortTemp()
	}
	sweepConnections(parent)
	dir, err := os.MkdirTemp(parent, "railiance-ssh-") // 0700
	if err != nil {
		return nil, fmt.Errorf("folder of ssh connections: %w", err)
	}
	if err := checkControlDir(dir); err != nil {
		return nil, errors.Join(err, os.Remove(dir))
	}
	lock, err := os.Open(dir)
	if err != nil {
		return nil, errors.Join(err, os.Remove(dir))
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("folder of ssh connections: %w", err), lock.Close(), os.Remove(dir))
	}
	return &Connections{dir, lock}, nil
}

// shortTemp is TMPDIR, or /tmp where that is no path for a socket.
func shortTemp() string {
	dir := os.TempDir()
	if checkControlPath(filepath.Join(dir, "railiance-ssh-4294967295")) != nil {
		return "/tmp"
	}
	return dir
}

// sweepConnections removes the folders of runs that were killed: nobody holds
// their lock. A young one may be about to be locked. What cannot be removed is
// in nobody's way.
func sweepConnections(parent string) {
	old, _ := filepath.Glob(filepath.Join(parent, "railiance-ssh-*"))
	for _, dir := range old {
		info, err := os.Lstat(dir)
		if err != nil || !info.IsDir() || !ours(info) || time.Since(info.ModTime()) < 2*controlKept*time.Second {
			continue
		}
		f, err := os.OpenFile(dir, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_DIRECTORY, 0)
		if err != nil {
			continue
		}
		if syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil {
			_ = os.RemoveAll(dir)
		}
		_ = f.Close()
	}
}

// Remote is the machine target, reached over a connection of c.
func (c *Connections) Remote(target string) Remote {
	return Remote{Target: target, ControlDir: c.dir}
}

// Close ends the connections, with what still runs over them, and removes their
// folder. It does so also when ctx is done: a run that was stopped closes them too.
func (c *Connections) Close(ctx context.Context) error {
	defer c.lock.Close()
	sockets, err := os.ReadDir(c.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("ssh connections: %w", err)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	for _, socket := range sockets {
		if socket.Type()&fs.ModeSocket == 0 || len(socket.Name()) != controlName {
			continue
		}
		// ssh wants a target and does not use it. One that fails is gone already.
		_ = Run(ctx, Command{Args: []string{"ssh", "-O", "exit", "-o", "LogLevel=QUIET",
			"-o", "ControlPath=" + filepath.Join(c.dir, socket.Name()), "--", "connection"}})
	}
	if err := os.RemoveAll(c.dir); err != nil {
		return fmt.Errorf("ssh connections: %w", err)
	}
	return nil
}

func ours(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(stat.Uid) == os.Geteuid()
}
