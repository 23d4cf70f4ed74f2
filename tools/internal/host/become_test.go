package host_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/railiance/railiance/tools/internal/host"
)

// The program that takes our place has our process id, only the environment
// that it was given, and the exit status is its own.
func TestBecome(t *testing.T) {
	if os.Getenv("BECOME") != "" {
		t.Fatal(host.Become(t.Context(), []string{"sh", "-c", "env; echo pid=$$; exit 7"}, []string{"ONLY=this", "PATH=" + os.Getenv("PATH")}))
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestBecome$")
	cmd.Env = append(os.Environ(), "BECOME=1", "OTHER=that")
	out, err := cmd.Output()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 7 {
		t.Fatalf("%v: %s", err, out)
	}
	if got := string(out); !strings.Contains(got, "ONLY=this\n") || strings.Contains(got, "OTHER") || !strings.Contains(got, fmt.Sprintf("pid=%d\n", cmd.Process.Pid)) {
		t.Errorf("process %d: %s", cmd.Process.Pid, got)
	}
}

func TestBecomeNothing(t *testing.T) {
	dir := t.TempDir()
	plain := filepath.Join(dir, "plain")
	if err := os.WriteFile(plain, []byte("text"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"no-such-program", filepath.Join(dir, "none")} {
		if err := host.Become(t.Context(), []string{name}, nil); !errors.Is(err, host.ErrNotInstalled) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := host.Become(t.Context(), []string{plain}, nil); !errors.Is(err, os.ErrPermission) {
		t.Errorf("a file that is no program: %v", err)
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if err := host.Become(ctx, []string{"true"}, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("after a signal: %v", err)
	}
}
