package shell_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/railiance/railiance/tools/internal/host"
	"github.com/railiance/railiance/tools/internal/shell"
)

// stoppedDeed is an executable that runs a line of shell, and another one to
// clean up when it was stopped.
func stoppedDeed() {
	line, clean := os.Getenv("DEED_LINE"), os.Getenv("DEED_CLEAN")
	if line == "" {
		return
	}
	os.Exit(shell.Main("deed", func(*shell.Shell) *cobra.Command {
		return &cobra.Command{RunE: func(cmd *cobra.Command, _ []string) error {
			err := host.Run(cmd.Context(), host.Command{Args: []string{"sh", "-c", line}})
			if clean != "" {
				_ = host.Run(context.WithoutCancel(cmd.Context()), host.Command{Args: []string{"sh", "-c", clean}})
			}
			return err
		}}
	}))
}

// story is a buffer that is read while it is written.
type story struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *story) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *story) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// patiently waits for what is to come soon, on a busy machine too.
func patiently(t *testing.T, what string, come func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !come(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("in vain: %s", what)
		}
	}
}

// deed starts a deed in dir, which writes the ids of its processes to pids there.
func deed(t *testing.T, dir, line, clean string) (*exec.Cmd, *story) {
	t.Helper()
	said := &story{}
	c := exec.Command(os.Args[0])
	c.Dir, c.Stderr = dir, said
	c.Env = append(os.Environ(), "DEED_LINE="+line, "DEED_CLEAN="+clean)
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Process.Kill() })
	patiently(t, "the child begins", func() bool { _, err := os.Stat(filepath.Join(dir, "pids")); return err == nil })
	return c, said
}

// gone says whether none of the processes is there but as a zombie.
func gone(t *testing.T, dir, file string) bool {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, file))
	if err != nil {
		t.Fatal(err)
	}
	for _, pid := range strings.Fields(string(b)) {
		if _, err := strconv.Atoi(pid); err != nil {
			t.Fatalf("%q is no process", pid)
		}
		stat, err := os.ReadFile("/proc/" + pid + "/stat")
		if err == nil && !strings.Contains(string(stat), ") Z ") {
			return false
		}
	}
	return true
}

// hangs does not end when it is asked to, nor does its child.
const hangs = `trap '' TERM INT; sleep 300 & echo $$ $! >new; mv new pids; wait; wait`

// Who has pressed ^C is told what it waits for. The second one ends it at once,
// and takes along what it has started, whatever that does just then.
func TestASecondSignalEndsAtOnce(t *testing.T) {
	for name, test := range map[string]struct {
		line, clean   string
		first, second syscall.Signal
	}{
		"a child that hangs": {hangs, "", syscall.SIGINT, syscall.SIGINT},
		"asked to end twice": {hangs, "", syscall.SIGTERM, syscall.SIGTERM},
		"a lost terminal":    {hangs, "", syscall.SIGHUP, syscall.SIGTERM},
		"a clean-up that hangs": {`echo $$ >new; mv new pids; exec sleep 300`,
			strings.ReplaceAll(hangs, "pids", "cleaning"), syscall.SIGINT, syscall.SIGTERM},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			c, said := deed(t, dir, test.line, test.clean)
			if err := c.Process.Signal(test.first); err != nil {
				t.Fatal(err)
			}
			patiently(t, "it tells what it waits for", func() bool {
				return strings.Contains(said.String(), "deed: warning: stopping: waits for sh; a second ^C ends at once")
			})
			files := []string{"pids"}
			if test.clean != "" {
				patiently(t, "it cleans up", func() bool { _, err := os.Stat(filepath.Join(dir, "cleaning")); return err == nil })
				files = append(files, "cleaning")
			}
			begin := time.Now()
			if err := c.Process.Signal(test.second); err != nil {
				t.Fatal(err)
			}
			_ = c.Wait() // its status is looked at
			if took := time.Since(begin); took > host.Grace/2 {
				t.Errorf("it took %s", took)
			}
			if got := c.ProcessState.ExitCode(); got != shell.ExitFailed {
				t.Errorf("%v, want exit status 1", c.ProcessState)
			}
			if !strings.Contains(said.String(), "deed: error: ended at once, on a second signal") {
				t.Errorf("it says %q", said)
			}
			for _, file := range files {
				patiently(t, "no process of it is left", func() bool { return gone(t, dir, file) })
			}
		})
	}
}

// timeout(1) sends its signal twice at a time, and means one: what is cleaned up
// on it is not cut short. Nor does a terminal that goes away after it.
func TestSignalsThatComeTogetherAreOne(t *testing.T) {
	var dir string
	var c *exec.Cmd
	var said *story
	for together := false; !together; { // a busy machine may not send them so
		dir = t.TempDir()
		c, said = deed(t, dir, `trap 'sleep 1; echo done >clean; exit 0' TERM; echo $$ >new; mv new pids; sleep 300 & wait`, "")
		begin := time.Now()
		for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGTERM, syscall.SIGHUP} {
			if err := c.Process.Signal(s); err != nil {
				t.Fatal(err)
			}
			time.Sleep(20 * time.Millisecond) // else the kernel makes one of them
		}
		if together = time.Since(begin) < 300*time.Millisecond; !together {
			_ = c.Wait()
		}
	}
	patiently(t, "it tells what it waits for", func() bool { return strings.Contains(said.String(), "stopping: waits for sh") })
	if err := c.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	_ = c.Wait()
	if got := c.ProcessState.ExitCode(); got != shell.ExitFailed {
		t.Errorf("%v, want exit status 1", c.ProcessState)
	}
	if _, err := os.Stat(filepath.Join(dir, "clean")); err != nil {
		t.Errorf("the child had no time to clean up: %v\n%s", err, said)
	}
	if strings.Contains(said.String(), "at once, on") {
		t.Errorf("it says %q", said)
	}
}

// What ends soon says no more than before.
func TestADeedThatEndsSoonTellsNoWaiting(t *testing.T) {
	dir := t.TempDir()
	c, said := deed(t, dir, `echo $$ >new; mv new pids; exec sleep 300`, "")
	if err := c.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	_ = c.Wait()
	if time.Since(begin) > 300*time.Millisecond {
		t.Log("the machine was too busy for it to end soon") // and it may have told so
		return
	}
	if got := said.String(); !strings.HasPrefix(got, "deed: error: sh: stopped: ") || strings.Count(got, "\n") != 1 {
		t.Errorf("it says %q", got)
	}
}
