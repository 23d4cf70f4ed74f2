package schedule

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/railiance/railiance/tools/internal/mustrun"
)

// server is a machine in a folder, whose systemctl writes down what it is asked
// and refuses the rest.
type server struct {
	Machine
	told []string
	log  string
}

func newServer(t *testing.T) *server {
	t.Helper()
	root := t.TempDir()
	s := &server{log: filepath.Join(root, "systemctl.log")}
	s.Machine = Machine{Root: root, Say: func(format string, args ...any) { s.told = append(s.told, fmt.Sprintf(format, args...)) }}
	for _, dir := range []string{"etc/cron.d", "etc/systemd/system", "bin"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	// As the real one, it knows only units that are there and were read.
	program(t, filepath.Join(root, "bin", "systemctl"), `cd "`+root+`/etc/systemd/system" || exit 1
echo "$*" >>"`+s.log+`"
case "$1 $2" in
'daemon-reload ') ls >../read ;;
'enable '*|'restart '*|'disable --now')
	for unit; do
		case $unit in
		enable|restart|disable|--now) ;;
		*.timer) grep -qx "$unit" ../read || { echo "Unit $unit not found." >&2; exit 1; } ;;
		*) exit 64 ;;
		esac
	done ;;
*) exit 64 ;;
esac`)
	t.Setenv("PATH", filepath.Join(root, "bin")+":"+os.Getenv("PATH"))
	return s
}

// files are all files below etc, but what systemctl keeps.
func (s *server) files(t *testing.T) []string {
	t.Helper()
	var found []string
	err := filepath.WalkDir(filepath.Join(s.Root, "etc"), func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() && d.Name() != "read" {
			rel, _ := filepath.Rel(s.Root, path)
			found = append(found, rel)
			if info, err := d.Info(); err != nil || info.Mode().Perm() != 0o644 {
				t.Errorf("%s: %v, %v", rel, info.Mode(), err)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func (s *server) asked(t *testing.T) []string {
	t.Helper()
	b, err := os.ReadFile(s.log)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	_ = os.Remove(s.log)
	return strings.Split(strings.TrimSuffix(string(b), "\n"), "\n")
}

func equal(t *testing.T, what string, got, want []string) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s:\n%s", what, diff)
	}
}

var (
	cronFiles  = []string{"etc/cron.d/railiance-cluster"}
	timerFiles = []string{
		"etc/systemd/system/railiance-cluster-backup.service", "etc/systemd/system/railiance-cluster-backup.timer",
		"etc/systemd/system/railiance-cluster-drill.service", "etc/systemd/system/railiance-cluster-drill.timer",
		"etc/systemd/system/railiance-cluster-verify.service",
	}
	noDrillFiles = []string{timerFiles[0], timerFiles[1], timerFiles[4]}
	bothTimers   = "railiance-cluster-backup.timer railiance-cluster-drill.timer"
)

func TestCronIsInstalledTwiceAndRemovedTwice(t *testing.T) {
	s, p := newServer(t), plan(t, true)
	for range 2 {
		if err := s.InstallCron(t.Context(), p); err != nil {
			t.Fatal(err)
		}
		equal(t, "files", s.files(t), cronFiles)
	}
	path := filepath.Join(s.Root, cronFiles[0])
	equal(t, "told", s.told, []string{path + ": written", path + ": as it was"})
	for range 2 {
		if err := s.RemoveCron(p.Layer); err != nil {
			t.Fatal(err)
		}
		equal(t, "files", s.files(t), nil)
	}
	equal(t, "asked of systemctl, where no unit is", s.asked(t), []string{""})
}

func TestTimerIsInstalledTwiceAndRemovedTwice(t *testing.T) {
	s, p := newServer(t), plan(t, true)
	for range 2 {
		if err := s.InstallTimer(t.Context(), p); err != nil {
			t.Fatal(err)
		}
		equal(t, "files", s.files(t), timerFiles)
		equal(t, "asked", s.asked(t), []string{"daemon-reload", "daemon-reload", "enable " + bothTimers, "restart " + bothTimers})
	}
	if info, err := os.Stat(p.Backups); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the folder that the units may write to: %v, %v", info, err)
	}
	if err := s.RemoveTimer(t.Context(), p.Layer); err != nil {
		t.Fatal(err)
	}
	equal(t, "files", s.files(t), nil)
	equal(t, "asked", s.asked(t), []string{"disable --now " + bothTimers, "daemon-reload"})
	if err := s.RemoveTimer(t.Context(), p.Layer); err != nil {
		t.Fatal(err)
	}
	equal(t, "asked", s.asked(t), []string{""})
}

func TestTheOneTakesTheOtherAway(t *testing.T) {
	s, p := newServer(t), plan(t, true)
	for _, step := range []struct {
		install func(context.Context, Plan) error
		files   []string
	}{{s.InstallCron, cronFiles}, {s.InstallTimer, timerFiles}, {s.InstallCron, cronFiles}} {
		if err := step.install(t.Context(), p); err != nil {
			t.Fatal(err)
		}
		equal(t, "files", s.files(t), step.files)
	}
}

func TestDrillWhoseKeyHasLeftGoes(t *testing.T) {
	s, p := newServer(t), plan(t, true)
	if err := s.InstallTimer(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	s.asked(t)
	p.Drill = false
	if err := s.InstallTimer(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	equal(t, "files", s.files(t), noDrillFiles)
	equal(t, "asked", s.asked(t)[1:2], []string{"disable --now railiance-cluster-drill.timer"})
}

func TestAnotherLayerAndForeignFilesAreLeftAlone(t *testing.T) {
	s, p := newServer(t), plan(t, true)
	infra := p
	infra.Layer = "infra"
	if err := s.InstallTimer(t.Context(), infra); err != nil {
		t.Fatal(err)
	}
	before := s.files(t)
	for _, foreign := range []string{cronFiles[0], timerFiles[3]} {
		path := filepath.Join(s.Root, foreign)
		if err := os.WriteFile(path, []byte("# somebody's own\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for name, deed := range map[string]func() error{
		"install cron":  func() error { return s.InstallCron(t.Context(), p) },
		"install timer": func() error { return s.InstallTimer(t.Context(), p) },
		"remove cron":   func() error { return s.RemoveCron(p.Layer) },
		"remove timer":  func() error { return s.RemoveTimer(t.Context(), p.Layer) },
	} {
		if err := deed(); !errors.Is(err, ErrForeign) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, foreign := range []string{cronFiles[0], timerFiles[3]} {
		if b, err := os.ReadFile(filepath.Join(s.Root, foreign)); err != nil || string(b) != "# somebody's own\n" {
			t.Errorf("%s: %v, %q", foreign, err, b)
		}
	}
	for _, f := range before {
		if !slices.Contains(s.files(t), f) {
			t.Errorf("the other layer lost %s", f)
		}
	}
}

func TestMachineWithoutCronOrSystemd(t *testing.T) {
	s, p := newServer(t), plan(t, true)
	if err := os.Remove(filepath.Join(s.Root, "etc/cron.d")); err != nil {
		t.Fatal(err)
	}
	if err := s.InstallCron(t.Context(), p); err == nil {
		t.Error("a file for a cron that is not there counts as installed")
	}
	t.Setenv("PATH", t.TempDir())
	if err := s.InstallTimer(t.Context(), p); err == nil || !strings.Contains(err.Error(), "not installed") {
		t.Errorf("without systemctl: %v", err)
	}
	equal(t, "files", s.files(t), nil)
}

// The real systemctl enables the units of a machine that does not run.
func TestRealSystemctlOffline(t *testing.T) {
	mustrun.Command(t, "systemctl")
	p := plan(t, true)
	m := Machine{Root: t.TempDir(), Offline: true, Say: func(string, ...any) {}}
	wants := filepath.Join(m.Root, "etc/systemd/system/timers.target.wants")
	for range 2 {
		if err := m.InstallTimer(t.Context(), p); err != nil {
			t.Fatal(err)
		}
	}
	for unit := range strings.FieldsSeq(bothTimers) {
		if _, err := os.Lstat(filepath.Join(wants, unit)); err != nil {
			t.Errorf("not enabled: %v", err)
		}
	}
	if err := m.RemoveTimer(t.Context(), p.Layer); err != nil {
		t.Fatal(err)
	}
	if left, _ := filepath.Glob(filepath.Join(wants, "*")); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
	if _, err := os.Stat(p.Backups); err == nil {
		t.Error("a folder was made on this machine for another one")
	}
}
