//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// inside names the test that a child process is to run in its own world.
const inside = "E2E_INSIDE"

// scenarioLimit is for one scenario; the longest takes a quarter of it.
const scenarioLimit = 8 * time.Minute

// scenario runs body as root of a machine of its own: mounts, network,
// processes and host name are private, so the default paths of k3s and of our
// executables are free to use, and whatever is left running ends with it.
func scenario(t *testing.T, body func(t *testing.T, w *world)) {
	if os.Getenv(inside) == t.Name() {
		body(t, newWorld(t))
		return
	}
	if os.Geteuid() != 0 {
		missing(t, "root")
	}
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), scenarioLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, "/proc/self/exe", "-test.run", "^"+t.Name()+"$", "-test.v", "-test.timeout", scenarioLimit.String())
	cmd.Env = append(os.Environ(), inside+"="+t.Name())
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWNET | syscall.CLONE_NEWPID | syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC,
		Pdeathsig:  syscall.SIGKILL,
	}
	cmd.WaitDelay = 10 * time.Second
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	begin := time.Now()
	err := cmd.Run()
	// The child's own verdict lines would be taken for tests of this process.
	for line := range strings.Lines(out.String()) {
		if err != nil || strings.HasPrefix(line, "    ") {
			t.Logf("| %s", strings.TrimRight(line, "\n"))
		}
	}
	if err != nil {
		t.Fatalf("%v", err)
	}
	if !strings.Contains(out.String(), "--- PASS: "+t.Name()) {
		t.Fatalf("it ran nothing:\n%s", out.String())
	}
	t.Logf("took %.0f s", time.Since(begin).Seconds())
}

// missing skips a test for want of what, or fails it when MUST_RUN is set.
func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("MUST_RUN") != "" {
		t.Fatalf("MUST_RUN is set and %s is missing", what)
	}
	t.Skipf("needs %s", what)
}

// setting is what run.sh says.
func setting(t *testing.T, name string) string {
	t.Helper()
	v := os.Getenv(name)
	if v == "" {
		missing(t, fmt.Sprintf("%s, which run.sh sets,", name))
	}
	return v
}
