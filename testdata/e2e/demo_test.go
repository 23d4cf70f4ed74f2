//go:build e2e

package e2e

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// TestDemoSabotaged breaks one step of the demo at a time: that step, and no
// other, must then fail the whole.
func TestDemoSabotaged(t *testing.T) {
	for sabotage, step := range map[string]string{
		"backup":  "Backup",
		"verify":  "Verify",
		"forge":   "Verify",
		"drill":   "Drill",
		"restore": "Restore",
		"compare": "Compare",
	} {
		t.Run(sabotage, func(t *testing.T) {
			t.Parallel()
			out, err := demo(t, "DEMO_SABOTAGE="+sabotage)
			last := out[strings.LastIndex(out, "\n== ")+1:]
			if _, failed := err.(*exec.ExitError); !failed || !strings.Contains(last, "demo: FAILED: step ") {
				t.Fatalf("%v\n%s", err, out)
			}
			if title := strings.SplitN(last, "\n", 2)[0]; !strings.Contains(title, ". "+step) {
				t.Errorf("it failed at %q:\n%s", title, out)
			}
		})
	}
}

// TestDemoOrdinaryUser runs the demo as somebody who is not root: the drill is
// then of the contents alone, and says so.
func TestDemoOrdinaryUser(t *testing.T) {
	t.Parallel()
	out, err := demo(t)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{"every object and every release is equal", "booting it needs root"} {
		if !strings.Contains(out, want) {
			t.Errorf("it does not say %q:\n%s", want, out)
		}
	}
}

// nobody is the ordinary user of these tests.
const nobody = "65534"

// demo runs the demo as an ordinary user and sees that nothing goes on running.
func demo(t *testing.T, env ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	dir, err := os.MkdirTemp("", "railiance-demo-test.")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chown(dir, 65534, 65534); err != nil {
		missing(t, "root")
	}
	cmd := exec.CommandContext(ctx, "setpriv", "--reuid", nobody, "--regid", nobody, "--clear-groups", "--",
		setting(t, "E2E_PUBLIC")+"/demo", "-parts", setting(t, "E2E_PUBLIC"), "-bin", setting(t, "E2E_PUBLIC"), "-dir", dir)
	cmd.Env = append(os.Environ(), env...)
	cmd.Env = append(cmd.Env, "TMPDIR="+dir)
	out, err := cmd.CombinedOutput()
	running, listing := processes()
	if listing != nil {
		t.Error(listing)
	}
	for _, line := range running {
		if strings.Contains(line, dir) {
			t.Errorf("it left a process behind: %s", line)
		}
	}
	return string(out), err
}
