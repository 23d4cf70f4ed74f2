package shell

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/railiance/railiance/tools/internal/tell"
)

func logTo(t *testing.T, path, line string) {
	t.Helper()
	sh := &Shell{Program: "test", logFile: path, Tell: &tell.Teller{Program: "test", Layer: "cluster", Terminal: true, Colour: true}}
	if err := sh.openLog(); err != nil {
		t.Fatal(err)
	}
	sh.Tell.Warn("", "%s", line)
}

func TestLogIsMadeWithItsFolderAndStamped(t *testing.T) {
	path := filepath.Join(t.TempDir(), "not", "yet", "backup.log")
	logTo(t, path, "one")
	logTo(t, path, "two")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want := regexp.MustCompile(`^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ test: cluster: warning: (one|two)\n){2}$`)
	if !want.Match(b) {
		t.Errorf("the log holds %q", b)
	}
	for p, mode := range map[string]os.FileMode{path: 0o600, filepath.Dir(path): 0o700} {
		if info, err := os.Stat(p); err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: %v, %v, want %s", p, info.Mode(), err, mode)
		}
	}
}

// Seven full logs in a row: the newest five stay, in order, and no line of the
// run that turns them is lost.
func TestLogIsRotated(t *testing.T) {
	path := filepath.Join(t.TempDir(), "backup.log")
	for night := 1; night <= 7; night++ {
		logTo(t, path, fmt.Sprintf("night %d", night))
		grow(t, path)
	}
	logTo(t, path, "night 8")
	for i, want := range map[string]string{"": "night 8", ".1": "night 7", ".2": "night 6", ".5": "night 3"} {
		b, err := os.ReadFile(path + i)
		if err != nil {
			t.Fatal(err)
		}
		first, _, _ := strings.Cut(string(b), "\n")
		if !strings.HasSuffix(first, want) {
			t.Errorf("%s begins with %q, want %s", filepath.Base(path)+i, first, want)
		}
	}
	if files, err := filepath.Glob(path + "*"); err != nil || len(files) != 1+logKept {
		t.Errorf("there are %v, %v", files, err)
	}
}

func TestSmallLogIsNotRotated(t *testing.T) {
	path := filepath.Join(t.TempDir(), "backup.log")
	for range 3 {
		logTo(t, path, "a night")
	}
	if files, err := filepath.Glob(path + "*"); err != nil || len(files) != 1 {
		t.Errorf("there are %v, %v", files, err)
	}
}

func TestLogThatCannotBeOpenedIsAnError(t *testing.T) {
	sh := &Shell{logFile: t.TempDir(), Tell: &tell.Teller{}}
	if err := sh.openLog(); err == nil {
		t.Error("a folder was taken as a log")
	}
}

// grow makes a log one that the next run puts aside.
func grow(t *testing.T, path string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(strings.Repeat("x", logSize)); err != nil {
		t.Fatal(err)
	}
}
