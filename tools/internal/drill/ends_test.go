package drill_test

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/railiance/railiance/tools/internal/state"
)

// inside is a process in a drill's sandbox, with its namespaces.
type inside struct {
	pid        string
	namespaces map[string]string
}

func (i inside) number(t *testing.T) int {
	t.Helper()
	n, err := strconv.Atoi(i.pid)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// booting starts a drill and waits until k3s runs in it.
func (w *world) booting(t *testing.T, args ...string) (*exec.Cmd, inside) {
	t.Helper()
	cmd := w.command(append([]string{"railiance-restore-s2", "drill"}, args...)...)
	cmd.Stdout = io.Discard
	story, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	lines := bufio.NewScanner(story)
	for lines.Scan() {
		if strings.Contains(lines.Text(), "starting k3s") {
			break
		}
	}
	go func() { _, _ = io.Copy(io.Discard, story) }()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		for _, file := range processes(t) {
			line, err := os.ReadFile(filepath.Join(file, "cmdline"))
			if err == nil && strings.Contains(string(line), "k3s\x00server\x00--config\x00/run/scratch/") && strings.HasPrefix(exe(parent(file)), w.dir) {
				return cmd, inside{filepath.Base(file), namespaces(t, file)}
			}
		}
	}
	t.Fatal("k3s was not seen to run in the drill")
	return nil, inside{}
}

func processes(t *testing.T) []string {
	t.Helper()
	found, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// parent is the folder in /proc of a process's parent.
func parent(file string) string {
	stat, err := os.ReadFile(filepath.Join(file, "stat"))
	if err != nil {
		return ""
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	return filepath.Join("/proc", strings.Fields(rest)[1])
}

func exe(file string) string {
	path, err := os.Readlink(filepath.Join(file, "exe"))
	if err != nil {
		return ""
	}
	return path
}

func namespaces(t *testing.T, file string) map[string]string {
	t.Helper()
	found := map[string]string{}
	for _, kind := range []string{"pid", "mnt", "net"} {
		link, err := os.Readlink(filepath.Join(file, "ns", kind))
		if err != nil {
			t.Fatal(err)
		}
		found[kind] = link
	}
	return found
}

// left names the processes that still are in the namespaces of the drill. All
// of them must match: the kernel gives the number of one that is gone to the
// next that anybody makes.
func (i inside) left(t *testing.T) []string {
	t.Helper()
	var found []string
	for _, file := range processes(t) {
		same := 0
		for kind, link := range i.namespaces {
			if is, err := os.Readlink(filepath.Join(file, "ns", kind)); err == nil && is == link {
				same++
			}
		}
		if same == len(i.namespaces) {
			found = append(found, file)
		}
	}
	return found
}

// mounts are those of the machine that a drill can have made. Others come and
// go: the tests of other packages mount things beside us.
func (w *world) mounts(t *testing.T) string {
	t.Helper()
	var ours strings.Builder
	for line := range strings.Lines(read(t, "/proc/self/mountinfo")) {
		if strings.Contains(line, w.dir) || strings.Contains(line, " scratch ") {
			ours.WriteString(line)
		}
	}
	return ours.String()
}

// ends ends drills while k3s runs in them, and finds nothing left.
func (w *world) ends(t *testing.T) {
	stamp := w.path("backup/cluster", state.DrillStamp)
	_ = os.Remove(stamp)
	for _, tt := range []struct {
		name   string
		signal syscall.Signal
		args   []string
	}{
		{"killed", syscall.SIGKILL, nil},
		{"killed, on disk", syscall.SIGKILL, []string{"--scratch", w.path("scratch")}},
		{"terminated", syscall.SIGTERM, nil},
		{"interrupted, on disk", syscall.SIGINT, []string{"--scratch", w.path("scratch")}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			mounts := w.mounts(t)
			cmd, in := w.booting(t, tt.args...)
			w.isolated(t, in)
			// An end must not hang on the good will of what runs inside.
			if err := syscall.Kill(in.number(t), syscall.SIGSTOP); err != nil {
				t.Fatal(err)
			}
			if err := cmd.Process.Signal(tt.signal); err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			_ = cmd.Wait()
			if took := time.Since(began); took > 5*time.Second {
				t.Errorf("it took %s to end", took)
			}
			if tt.signal != syscall.SIGKILL && cmd.ProcessState.ExitCode() != 1 {
				t.Errorf("it ended with %s", cmd.ProcessState)
			}
			var left []string
			for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
				if left = in.left(t); len(left) == 0 {
					break
				}
			}
			if len(left) > 0 {
				t.Errorf("left: %v", left)
			}
			if plain, err := filepath.Glob(w.path("scratch", "*", "*")); err != nil || len(plain) > 0 {
				t.Errorf("plaintext is left on disk: %v, %v", plain, err)
			}
			if now := w.mounts(t); now != mounts {
				t.Errorf("mounts were\n%s\nand are\n%s", mounts, now)
			}
			if _, err := os.Stat(stamp); err == nil {
				t.Error("it was stamped")
			}
		})
	}
	// What was killed on disk is gone with the next drill there.
	w.do(t, "railiance-restore-s2", "drill", "--scratch", w.path("scratch"))
	if left, err := os.ReadDir(w.path("scratch")); err != nil || len(left) > 0 {
		t.Errorf("left on disk: %v, %v", left, err)
	}
}

// isolated looks at the running k3s from outside: it has no way to the
// machine's network, and nothing of the machine that it could write to.
func (w *world) isolated(t *testing.T, in inside) {
	t.Helper()
	own := namespaces(t, "/proc/self")
	for kind, link := range in.namespaces {
		if own[kind] == link {
			t.Errorf("it shares our %s namespace", kind)
		}
	}
	for line := range strings.Lines(read(t, filepath.Join("/proc", in.pid, "net/dev"))) {
		name, counts, ok := strings.Cut(strings.TrimSpace(line), ":")
		if ok && name != "lo" && !strings.HasPrefix(strings.TrimSpace(counts), "0 ") {
			t.Errorf("it has a network interface %s that received something", name)
		}
	}
	addresses := read(t, filepath.Join("/proc", in.pid, "net/fib_trie"))
	for line := range strings.Lines(addresses) {
		address, ok := strings.CutPrefix(strings.TrimSpace(line), "|-- ")
		if ok && !strings.HasPrefix(address, "127.") && address != "192.0.2.1" && address != "0.0.0.0" {
			t.Errorf("it has an address %s", address)
		}
	}
	for line := range strings.Lines(read(t, filepath.Join("/proc", in.pid, "mountinfo"))) {
		fields := strings.Fields(line)
		at, options := fields[4], fields[5]
		ours := at == "/proc" && strings.Contains(line, " - proc ") || at == "/run" && strings.Contains(line, " scratch ") || at == "/run/scratch"
		if !ours && !strings.HasPrefix(options, "ro") {
			t.Errorf("it can write: %s", line)
		}
	}
	// The process that started it is there too, to be read by it.
	of := filepath.Join("/proc", in.pid)
	for _, file := range []string{of, parent(of)} {
		environ := read(t, filepath.Join(file, "environ"))
		if strings.Contains(environ, "BACKUP_ROOT") || strings.Contains(environ, w.path("home")) {
			t.Errorf("our environment is in the sandbox: %q", environ)
		}
	}
}
