package tools_test

import (
	"errors"
	"os/exec"
	"strings"
	"testing"

	"github.com/railiance/railiance/tools/internal/fake"
)

// A release that could be read, and whose values cannot be written so that they
// read back, is not in the artifact: that fails its asset as a corrupt one does.
func TestReleaseThatCannotBeWritten(t *testing.T) {
	b := newBench(t, 2)
	b.run(t, "railiance-backup-s2")
	// YAML takes no key of over 1024 bytes in the form that deep values are
	// written in.
	values := map[string]any{strings.Repeat("k", 2000): 1}
	for range 100 {
		values = map[string]any{"a": values}
	}
	if err := fake.AddRelease(b.World(), "apps", "deep", 1, values); err != nil {
		t.Fatal(err)
	}
	cmd, out := b.command("railiance-backup-s2")
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); !errors.As(err, &exit) || exit.ExitCode() != 1 {
		t.Errorf("%v", err)
	}
	if !strings.Contains(out.String(), "error: apps/sh.helm.release.v1.deep.v1: values.yaml") {
		t.Errorf("it is not named:\n%s", out)
	}
	newest := b.whole(t)[0]
	if newest.Complete() || newest.Holds("helm-values") || len(newest.Failures) != 1 {
		t.Errorf("the set says %+v", newest.Failures)
	}
	if a, there := newest.Artifact("helm-values"); !there || a.Contents["release apps/canary"] != 1 {
		t.Errorf("the other releases are not in it: %v", a.Contents)
	}
}
