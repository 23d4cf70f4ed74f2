package shell_test

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/railiance/railiance/tools/internal/shell"
)

// TestMain is also an executable whose deed tells, prints more than a pipe
// holds, and then leaves a proof that it came to its end.
func TestMain(m *testing.M) {
	stoppedDeed()
	if proof := os.Getenv("DEED_PROOF"); proof != "" {
		os.Exit(shell.Main("deed", func(sh *shell.Shell) *cobra.Command {
			return &cobra.Command{RunE: func(*cobra.Command, []string) error {
				for range 100 {
					sh.Tell.Say("", "%s", strings.Repeat("story ", 200))
					if err := sh.Print(map[string]string{"it": strings.Repeat("result ", 200)}, func(w io.Writer) {
						fmt.Fprintln(w, strings.Repeat("result ", 200))
					}); err != nil {
						return err
					}
				}
				if _, err := fmt.Fprintln(sh.Stdout, "end"); err != nil {
					return err
				}
				if !sh.Unread() && os.Getenv("DEED_UNREAD") != "" {
					return fmt.Errorf("it does not know that nobody reads it")
				}
				return os.WriteFile(proof, nil, 0o600)
			}}
		}))
	}
	os.Exit(m.Run())
}

// Whoever asked may leave, and a result may have no room: the deed comes to its
// end all the same, and a result that is not whole is no success.
func TestADeedOutlivesItsReader(t *testing.T) {
	for _, format := range []string{"--json", "--json=false"} {
		for name, test := range map[string]struct {
			arrange func(t *testing.T, c *exec.Cmd)
			exit    int
			says    string
		}{
			"all is read":                   {func(*testing.T, *exec.Cmd) {}, 0, ""},
			"the reader of the result left": {func(t *testing.T, c *exec.Cmd) { c.Stdout = closedPipe(t) }, 0, ""},
			"the reader of the story left":  {func(t *testing.T, c *exec.Cmd) { c.Stderr = closedPipe(t) }, 0, ""},
			"no room for the result":        {func(t *testing.T, c *exec.Cmd) { c.Stdout = full(t) }, 1, "deed: error: the result could not be written: write /dev/stdout: no space left on device"},
		} {
			t.Run(name+" "+format, func(t *testing.T) {
				proof := filepath.Join(t.TempDir(), "proof")
				var story bytes.Buffer
				c := exec.Command(os.Args[0], format)
				c.Env = append(os.Environ(), "DEED_PROOF="+proof)
				c.Stderr = &story
				test.arrange(t, c)
				if c.Stdout != nil {
					c.Env = append(c.Env, "DEED_UNREAD=1")
				}
				_ = c.Run() // its status is looked at
				if got := c.ProcessState.ExitCode(); got != test.exit {
					t.Errorf("%v, want exit status %d", c.ProcessState, test.exit)
				}
				if _, err := os.Stat(proof); err != nil {
					t.Errorf("the deed did not come to its end: %v", err)
				}
				if c.Stderr == &story && !strings.HasSuffix(strings.TrimSpace(story.String()), strings.TrimSpace(test.says)) {
					t.Errorf("story: %s", story.String())
				}
			})
		}
	}
}

func closedPipe(t *testing.T) *os.File {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.Close() })
	return w
}

func full(t *testing.T) *os.File {
	t.Helper()
	f, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}
