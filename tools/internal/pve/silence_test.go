package pve

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/railiance/railiance/tools/internal/pvetest"
)

// ourSSH are the processes of ssh that we have started.
func ourSSH(t *testing.T) []int {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	ok(t, err)
	var all []int
	for _, path := range stats {
		b, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		if f := strings.Fields(string(b)); len(f) > 4 && f[1] == "(ssh)" && f[3] == strconv.Itoa(os.Getpid()) {
			pid, err := strconv.Atoi(f[0])
			ok(t, err)
			all = append(all, pid)
		}
	}
	return all
}

// Our machine vanishes: its connection stands, nothing is read of it, and
// nothing comes. The node gives the guest back without waiting for TCP.
func TestDumpForTheVanished(t *testing.T) {
	w, c := world(t)
	ok(t, w.AddVM(pvetest.VM{ID: 100, Node: "baobab", Name: "web", Running: true, Disks: []pvetest.Disk{{Key: "scsi0", Size: 64 << 20, Random: 64 << 20}}}))
	alone := &Cluster{Context: c.Context, Timeout: c.Timeout, silence: 3 * time.Second} // a shared connection would be of a process that is not our child
	vm, err := alone.Locate(soon(t), 100)
	ok(t, err)
	stopped, ended := make(chan []int, 1), make(chan error, 1)
	go func() {
		_, err := alone.Dump(soon(t), vm, DumpOptions{}, &after{n: 1_000_000, then: func() error {
			pids := ourSSH(t)
			for _, pid := range pids {
				_ = syscall.Kill(pid, syscall.SIGSTOP)
			}
			stopped <- pids
			return nil
		}})
		ended <- err
	}()
	pids := <-stopped
	defer func() {
		for _, pid := range pids {
			_ = syscall.Kill(pid, syscall.SIGCONT)
		}
		if err := <-ended; err == nil {
			t.Error("the dump ended well")
		}
	}()
	if len(pids) != 1 {
		t.Fatalf("%d processes of ssh", len(pids))
	}
	if lock, err := w.Key(100, "lock"); lock != "backup" || err != nil {
		t.Errorf("the dump was over before: lock %q, %v", lock, err)
	}
	ok(t, w.Quiet(15*time.Second))
	if lock, err := w.Key(100, "lock"); lock != "" || err != nil {
		t.Errorf("the lock is %q, %v", lock, err)
	}
}

// Nothing on the node waits for a connection that takes nothing any more: not
// who writes the dump, and not vzdump for its log.
func TestNothingIsBlockedForTheVanished(t *testing.T) {
	bin := t.TempDir()
	ok(t, os.WriteFile(filepath.Join(bin, "vzdump"), []byte(`#!/bin/sh
trap 'asked=1' TERM
yes | head -c 1000000 &
head -c 1000000 /dev/zero >&2 &
wait
wait
[ "$asked" ] && echo asked >"`+bin+`/asked"
exit 1
`), 0o755))
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	t.Setenv("TMPDIR", bin)
	script := exec.CommandContext(soon(t), "sh", "-c", dumpScript, "vzdump", "0.5", "100")
	leash, err := script.StdinPipe()
	ok(t, err)
	_, err = script.StdoutPipe()
	ok(t, err)
	_, err = script.StderrPipe()
	ok(t, err)
	ok(t, script.Start())
	state, err := script.Process.Wait()
	if err != nil || state.ExitCode() != 1 {
		t.Errorf("%v, %v", state, err)
	}
	ok(t, leash.Close())
	if _, err := os.Stat(filepath.Join(bin, "asked")); err != nil {
		t.Error(err)
	}
	if left, _ := filepath.Glob(filepath.Join(bin, "railiance-vzdump.*")); len(left) > 0 {
		t.Errorf("%q", left)
	}
}

// A store that takes nothing for longer than that is no machine that has
// vanished.
func TestDumpForTheSlow(t *testing.T) {
	w, c := world(t)
	ok(t, w.AddVM(pvetest.VM{ID: 100, Node: "baobab", Name: "web", Disks: []pvetest.Disk{{Key: "scsi0", Size: 16 << 20, Random: 16 << 20}}}))
	c.silence = 2 * time.Second
	vm, err := c.Locate(soon(t), 100)
	ok(t, err)
	_, err = c.Dump(soon(t), vm, DumpOptions{}, &after{n: 1_000_000, then: func() error { time.Sleep(5 * time.Second); return nil }})
	ok(t, err)
}

// What vzdump writes and what is passed on end at once: a cut in between must
// not pass for a dump.
func TestTheRelayFails(t *testing.T) {
	bin := t.TempDir()
	ok(t, os.WriteFile(filepath.Join(bin, "vzdump"), []byte("#!/bin/sh\necho archive\n"), 0o755))
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	t.Setenv("TMPDIR", bin)
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	ok(t, err)
	defer full.Close()
	for _, out := range []io.Writer{full, &bytes.Buffer{}} {
		script := exec.Command("sh", "-c", dumpScript, "vzdump", "120", "100")
		leash, err := script.StdinPipe()
		ok(t, err)
		script.Stdout = out
		err = script.Run()
		var exit *exec.ExitError
		if failed := errors.As(err, &exit); failed != (out == full) {
			t.Errorf("%T: %v", out, err)
		}
		_ = leash.Close()
	}
}
