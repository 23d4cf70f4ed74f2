package told

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Stage is the folder that a demonstration happens in.
type Stage struct {
	Dir string
	Env []string // beside that of the process
}

// Path is below the stage.
func (s *Stage) Path(rel string) string { return filepath.Join(s.Dir, rel) }

// Tool runs a program as a person would, who sees the command and what it says.
func (s *Stage) Tool(ctx context.Context, args ...string) error {
	_, err := s.Shown(ctx, args...)
	return err
}

// Shown is Tool, and returns what the program said, on both its outputs.
func (s *Stage) Shown(ctx context.Context, args ...string) (string, error) {
	fmt.Printf("   $ %s\n", strings.ReplaceAll(strings.Join(args, " "), s.Dir, "."))
	var said strings.Builder
	out := io.MultiWriter(&indent{w: os.Stdout}, &said)
	err := s.Exec(ctx, out, out, args...)
	return said.String(), err
}

// Exec runs a program from the stage's folder bin, or else from PATH. What goes
// to no stderr stands in the error.
func (s *Stage) Exec(ctx context.Context, stdout, stderr io.Writer, args ...string) error {
	path := args[0]
	if _, err := os.Stat(s.Path("bin/" + path)); err == nil {
		path = s.Path("bin/" + path)
	}
	cmd := exec.CommandContext(ctx, path, args[1:]...)
	cmd.Args[0] = args[0]
	cmd.Dir = s.Dir
	cmd.Env = append(os.Environ(), s.Env...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 30 * time.Second
	var said bytes.Buffer
	if stderr == nil {
		stderr = &said
	}
	cmd.Stdout, cmd.Stderr = stdout, stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w %s", args[0], err, strings.TrimSpace(said.String()))
	}
	return nil
}

// Link puts programs of another folder into bin.
func (s *Stage) Link(from string, names ...string) error {
	for _, name := range names {
		path, err := filepath.Abs(filepath.Join(from, name))
		if err != nil {
			return err
		}
		if _, err := os.Stat(path); err != nil {
			return err
		}
		if err := os.Symlink(path, s.Path("bin/"+name)); err != nil {
			return fmt.Errorf("the folder is in use: %w", err)
		}
	}
	return nil
}

// indent sets what programs say apart from what the demonstration tells.
type indent struct {
	w      io.Writer
	inside bool
}

func (i *indent) Write(p []byte) (int, error) {
	for line := range bytes.Lines(p) {
		if !i.inside {
			fmt.Fprint(i.w, "   | ")
		}
		i.inside = line[len(line)-1] != '\n'
		if _, err := i.w.Write(line); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}
