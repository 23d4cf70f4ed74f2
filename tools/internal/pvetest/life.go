package pvetest

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Start starts the sshds. Stop must be called; what Start has started ends
// with our process in any case.
func (w *World) Start() error {
	if w.servers == nil {
		return errors.New("pvetest: an opened world cannot be started")
	}
	if err := w.live(); err != nil {
		return err
	}
	f, err := w.file()
	if err != nil {
		return err
	}
	for _, n := range f.Nodes {
		if err := w.StartNode(n.Name); err != nil {
			return errors.Join(err, w.Stop())
		}
	}
	return nil
}

// live takes the lock that the fakes wait for, each beside its work: they end
// when it is given back.
func (w *World) live() error {
	f, err := os.OpenFile(filepath.Join(w.Dir, "life"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return errors.Join(fmt.Errorf("pvetest: %s is started already", w.Dir), f.Close())
	}
	w.life = f
	return nil
}

// Stop ends the sshds and whatever still runs in them. The folder stays as it
// is, and can be started again.
func (w *World) Stop() error {
	var all error
	for _, s := range w.servers {
		all = errors.Join(all, s.stop())
	}
	if w.life != nil {
		all = errors.Join(all, os.Remove(w.life.Name()), w.life.Close())
		w.life = nil
	}
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		left := w.processes("")
		if len(left) == 0 {
			return all
		}
		if time.Now().After(end) {
			return errors.Join(all, fmt.Errorf("pvetest: processes %v do not end", left))
		}
		for _, pid := range left {
			_ = unix.Kill(pid, unix.SIGKILL)
		}
	}
}

// processes are those that run on a node, or on all: they have the World in
// their environment, and came over ssh.
func (w *World) processes(node string) []int {
	paths, _ := filepath.Glob("/proc/[0-9]*/environ")
	var pids []int
	for _, path := range paths {
		b, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		env := strings.Split(string(b), "\x00")
		over := slices.ContainsFunc(env, func(s string) bool { return strings.HasPrefix(s, "SSH_CONNECTION=") })
		if over && slices.Contains(env, DirVariable+"="+w.Dir) && (node == "" || slices.Contains(env, NodeVariable+"="+node)) {
			var pid int
			if _, err := fmt.Sscanf(path, "/proc/%d/environ", &pid); err == nil && !dead(pid) {
				pids = append(pids, pid)
			}
		}
	}
	return pids
}

// dead says whether a process has ended, and nobody has asked yet how.
func dead(pid int) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	i := strings.LastIndexByte(string(b), ')')
	return err != nil || i < 0 || strings.HasPrefix(string(b)[i+1:], " Z")
}

// Quiet waits until no fake acts on the world any more, at most for the limit.
func (w *World) Quiet(limit time.Duration) error {
	log, err := os.Open(filepath.Join(w.Dir, "calls"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer log.Close()
	for end := time.Now().Add(limit); ; time.Sleep(5 * time.Millisecond) {
		err := unix.Flock(int(log.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil || !errors.Is(err, unix.EWOULDBLOCK) {
			return err
		}
		if time.Now().After(end) {
			return fmt.Errorf("pvetest: a program still acts on %s after %s", w.Dir, limit)
		}
	}
}

// Calls are the programs that were started so far, as "node: program arguments".
func (w *World) Calls() ([]string, error) {
	b, err := os.ReadFile(filepath.Join(w.Dir, "calls"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return strings.Split(strings.TrimSuffix(string(b), "\n"), "\n"), err
}
