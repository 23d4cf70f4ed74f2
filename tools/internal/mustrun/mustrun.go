// Package mustrun decides what a test does when a real part is missing: skip
// on a developer's machine, fail where MUST_RUN is set, as it is in CI.
package mustrun

import (
	"os"
	"os/exec"
	"testing"
)

// Skip skips the test for want of what, or fails it when MUST_RUN is set.
func Skip(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("MUST_RUN") != "" {
		t.Fatalf("MUST_RUN is set and %s is missing", what)
	}
	t.Skipf("needs %s", what)
}

// Command returns the path of a program that the test needs.
func Command(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		Skip(t, name)
	}
	return path
}

// Long skips a test with -short: one that takes more than ten seconds and that it
// is all the same to whether it is root. CI runs each of those once.
func Long(t testing.TB) {
	t.Helper()
	if testing.Short() {
		t.Skip("is long, and -short was given")
	}
}

// Root skips or fails a test that needs to be root.
func Root(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		Skip(t, "root")
	}
}
