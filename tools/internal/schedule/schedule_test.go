package schedule

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/railiance/railiance/tools/internal/mustrun"
)

var update = flag.Bool("update", false, "rewrite what the tests expect")

// plan is one whose every path has a space in it, and whose executables tell
// how they were called.
func plan(t *testing.T, drill bool) Plan {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "a folder (with) spaces & more; #1")
	p := Plan{
		Layer: "cluster", Dir: filepath.Join(dir, "the layer"), Backups: filepath.Join(dir, "the backups", "cluster"), Bin: filepath.Join(dir, "bin"),
		Backup: "railiance-backup-s2", Restore: "railiance-restore-s2",
		Timeout: time.Hour, Drill: drill,
		Env:      []Setting{{"BACKUP_ROOT", filepath.Join(dir, "the backups")}, {"HOME", filepath.Join(dir, "root")}},
		After:    []string{"k3s.service"},
		State:    filepath.Join(dir, "the state"),
		Writable: []string{filepath.Join(dir, "the metrics")},
	}
	if err := os.MkdirAll(p.Bin, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, exe := range []string{p.Backup, p.Restore} {
		program(t, filepath.Join(p.Bin, exe), `echo "${0##*/}" "$@"; echo "$BACKUP_ROOT|$HOME|$PATH" >&2; umask`)
	}
	return p
}

func program(t *testing.T, path, script string) {
	t.Helper()
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
}

// The schedule may not promise on paper what its files do not say: these are
// the reviewed ones.
func TestFilesAreTheReviewedOnes(t *testing.T) {
	p := Plan{
		Layer: "cluster", Dir: "/root/railiance/layers/cluster", Backups: "/mnt/usb disk/cluster", Bin: "/root/railiance/bin",
		Backup: "railiance-backup-s2", Restore: "railiance-restore-s2",
		Timeout: 53 * time.Minute, Drill: true,
		Env:      []Setting{{"BACKUP_ROOT", "/mnt/usb disk"}, {"HOME", "/root"}},
		After:    []string{"k3s.service"},
		State:    "/var/lib/railiance",
		Writable: []string{"/var/lib/prometheus/node-exporter"},
	}
	file, err := p.Cron()
	if err != nil {
		t.Fatal(err)
	}
	same(t, "cron", file.Text)
	var b strings.Builder
	for _, f := range p.Units() {
		b.WriteString("# " + f.Path + "\n" + f.Text + "\n")
	}
	same(t, "units", b.String())
}

func same(t *testing.T, golden, got string) {
	t.Helper()
	path := filepath.Join("testdata", golden)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != got {
		t.Errorf("%s is not what is written now, which is:\n%s", path, got)
	}
}

func TestWithoutAKeyThereIsNoDrill(t *testing.T) {
	p := plan(t, false)
	file, err := p.Cron()
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(file.Text, "restore-s2\" drill") || !strings.Contains(file.Text, "# No drill: no private key") {
		t.Errorf("cron:\n%s", file.Text)
	}
	for _, f := range p.Units() {
		if strings.Contains(f.Path, "drill") {
			t.Errorf("there is %s", f.Path)
		}
	}
}

// cronJob is a line of a crontab, as cron would run it.
type cronJob struct{ when, user, command string }

// readCron reads a file of /etc/cron.d as cron does: settings whose quotes it
// takes off and expands nothing in, and commands that end at a percent sign.
func readCron(t *testing.T, text string) (env []string, jobs []cronJob) {
	t.Helper()
	if !strings.HasSuffix(text, "\n") {
		t.Error("cron ignores a last line without its end")
	}
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if name, value, ok := strings.Cut(line, "="); ok && !strings.ContainsAny(name, " \t#") {
			env = append(env, name+"="+strings.Trim(value, `"`))
			continue
		}
		if line == "" || line[0] == '#' {
			continue
		}
		words := strings.SplitN(line, " ", 7)
		if len(words) != 7 || strings.Contains(line, "%") {
			t.Fatalf("cron would not take %q", line)
		}
		jobs = append(jobs, cronJob{strings.Join(words[:5], " "), words[5], words[6]})
	}
	return env, jobs
}

func (j cronJob) run(t *testing.T, env []string) string {
	t.Helper()
	mustrun.Command(t, "timeout")
	cmd := exec.Command("/bin/sh", "-c", j.command)
	cmd.Env, cmd.Dir = env, "/"
	out, _ := cmd.CombinedOutput()
	return string(out)
}

func TestCronRunsThePlan(t *testing.T) {
	p := plan(t, true)
	if err := p.Check(); err != nil {
		t.Fatal(err)
	}
	file, err := p.Cron()
	if err != nil {
		t.Fatal(err)
	}
	env, jobs := readCron(t, file.Text)
	if len(jobs) != 2 || jobs[0].when != "0 2 * * *" || jobs[1].when != "0 4 * * 0" || jobs[0].user != "root" || jobs[1].user != "root" {
		t.Fatalf("jobs: %v", jobs)
	}
	for _, j := range jobs {
		if mail := j.run(t, env); mail != "" {
			t.Errorf("cron would send a mail each night: %q", mail)
		}
	}
	settings := p.Env[0].Value + "|" + p.Env[1].Value + "|" + systemPath + "\n0077\n"
	flags := " --layer " + p.Dir + " --log " + p.Log() + "\n" + settings
	want := "railiance-backup-s2" + flags + "railiance-restore-s2 verify" + flags + "railiance-restore-s2 drill" + flags
	got, err := os.ReadFile(p.Log())
	if err != nil || string(got) != want {
		t.Errorf("%v, the log holds\n%s\nnot\n%s", err, got, want)
	}
	for path, mode := range map[string]os.FileMode{p.Log(): 0o600, p.Backups: 0o700} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: %v, %v", path, info, err)
		}
	}
}

func TestCronLogsThatAProgramCouldNotStart(t *testing.T) {
	p := plan(t, false)
	file, err := p.Cron()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(p.Bin, p.Backup)); err != nil {
		t.Fatal(err)
	}
	env, jobs := readCron(t, file.Text)
	jobs[0].run(t, env)
	got, err := os.ReadFile(p.Log())
	if err != nil || !strings.Contains(string(got), "No such file") {
		t.Errorf("%v, the log holds\n%s", err, got)
	}
	if !strings.Contains(string(got), "railiance-restore-s2 verify") {
		t.Errorf("no verification follows a backup that failed:\n%s", got)
	}
}

func TestCronEndsARunThatHangs(t *testing.T) {
	p := plan(t, false)
	p.Timeout = time.Second
	program(t, filepath.Join(p.Bin, p.Backup), "exec sleep 60")
	file, err := p.Cron()
	if err != nil {
		t.Fatal(err)
	}
	env, jobs := readCron(t, file.Text)
	begin := time.Now()
	jobs[0].run(t, env)
	if took := time.Since(begin); took > 20*time.Second {
		t.Errorf("it took %s", took)
	}
	if got, err := os.ReadFile(p.Log()); err != nil || !strings.Contains(string(got), "sending signal TERM") {
		t.Errorf("%v, the log holds\n%s", err, got)
	}
}

func TestSystemdAcceptsTheUnits(t *testing.T) {
	analyze := mustrun.Command(t, "systemd-analyze")
	p := plan(t, true)
	if err := p.Check(); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	args := []string{"verify", "--man=no"}
	program(t, filepath.Join(dir, "k3s"), "")
	stub := "[Service]\nExecStart=" + filepath.Join(dir, "k3s") + "\n"
	for _, f := range append(p.Units(), File{"k3s.service", stub}) {
		path := filepath.Join(dir, filepath.Base(f.Path))
		if err := os.WriteFile(path, []byte(f.Text), 0o644); err != nil {
			t.Fatal(err)
		}
		args = append(args, path)
	}
	out, err := exec.Command(analyze, args...).CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	for line := range strings.Lines(string(out)) {
		if strings.Contains(line, "railiance") { // the machine's own units may have faults
			t.Error(line)
		}
	}
}

func TestCheckRefuses(t *testing.T) {
	for _, tt := range []struct {
		name  string
		spoil func(*testing.T, *Plan)
		want  string
	}{
		{"a percent sign, at which cron cuts", func(_ *testing.T, p *Plan) { p.Backups = "/srv/100%" }, `'%'`},
		{"a new line", func(_ *testing.T, p *Plan) { p.Dir = "/srv/a\n* * * * * root x" }, `'\n'`},
		{"a quote", func(_ *testing.T, p *Plan) { p.Dir = `/srv/a" b` }, `'"'`},
		{"a variable", func(_ *testing.T, p *Plan) { p.Bin = "/srv/$HOME" }, `'$'`},
		{"a backslash", func(_ *testing.T, p *Plan) { p.Writable = []string{`/srv/a\b`} }, `'\\'`},
		{"a setting with a new line", func(_ *testing.T, p *Plan) { p.Env[0].Value = "/a\nLD_PRELOAD=/b" }, `'\n'`},
		{"a setting whose name is none", func(_ *testing.T, p *Plan) { p.Env[0].Name = "A B" }, "not the name"},
		{"a relative path", func(_ *testing.T, p *Plan) { p.Dir = "layers/cluster" }, "not an absolute path"},
		{"a space at the end", func(_ *testing.T, p *Plan) { p.Dir = "/srv/layer " }, "ends with a space"},
		{"no executable", func(_ *testing.T, p *Plan) { p.Backup = "railiance-backup-s9" }, "railiance-backup-s9: no such file"},
		{"one that is not executable", func(t *testing.T, p *Plan) { chmod(t, p, 0o644) }, "is not a program"},
		{"one that everybody can change", func(t *testing.T, p *Plan) { chmod(t, p, 0o777) }, "changed by others"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := plan(t, true)
			tt.spoil(t, &p)
			if err := p.Check(); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q in it", err, tt.want)
			}
		})
	}
}

func chmod(t *testing.T, p *Plan, mode os.FileMode) {
	t.Helper()
	if err := os.Chmod(filepath.Join(p.Bin, p.Restore), mode); err != nil {
		t.Fatal(err)
	}
}

func TestLineLongerThanCronReads(t *testing.T) {
	p := plan(t, true)
	p.Restore = strings.Repeat("x", cronLimit)
	if _, err := p.Cron(); err == nil {
		t.Error("cron would have cut it")
	}
}

// A layer whose executable has verbs of its own is called with them, and with
// no word that cron or systemd would make something else of.
func TestVerbs(t *testing.T) {
	p := plan(t, true)
	p.Restore, p.Verbs, p.Reading = p.Backup, Verbs{"backup --all", "verify --sample 0.05", "drill --oldest"}, 20*time.Hour
	if err := p.Check(); err != nil {
		t.Fatal(err)
	}
	file, err := p.Cron()
	if err != nil {
		t.Fatal(err)
	}
	text := file.Text
	for _, unit := range p.Units() {
		text += unit.Text
	}
	for _, want := range []string{
		`"$RAILIANCE_BIN/railiance-backup-s2" backup --all --layer`, `72000 "$RAILIANCE_BIN/railiance-backup-s2" verify --sample 0.05 --layer`,
		`railiance-backup-s2" drill --oldest --layer`, `/railiance-backup-s2" backup --all --layer "`, `/railiance-backup-s2" verify --sample 0.05 --layer "`,
		"TimeoutStartSec=72000\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in:\n%s", want, text)
		}
	}
	for _, verb := range []string{"verify --sample 5%", "backup; reboot", "backup\n", "backup $X"} {
		p.Verbs.Verify = verb
		if err := p.Check(); err == nil {
			t.Errorf("%q was taken", verb)
		}
	}
}
