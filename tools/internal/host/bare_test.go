package host_test

import (
	"strings"
	"testing"

	"github.com/railiance/railiance/tools/internal/host"
)

// What holds our secrets in its environment must be able to keep them from a
// child, also when the child gets no variable at all.
func TestBare(t *testing.T) {
	t.Setenv("SOPS_AGE_KEY", "AGE-SECRET-KEY-1")
	for _, env := range [][]string{nil, {"A=b"}} {
		out, err := host.Output(t.Context(), host.Command{Args: []string{"env"}, Bare: true, Env: env}, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Fields(string(out)); len(got) != len(env) {
			t.Errorf("with %v the child has %v", env, got)
		}
		// One that is not bare has our environment, and never a private key.
		out, err = host.Output(t.Context(), host.Command{Args: []string{"env"}, Env: env}, 1<<20)
		if err != nil || !strings.Contains(string(out), "PATH=") || strings.Contains(string(out), "SOPS_AGE_KEY") {
			t.Errorf("not bare: %q, %v", out, err)
		}
	}
}
