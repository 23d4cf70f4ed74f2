package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// unit is one service: its file, and beside it the process that runs (.pid)
// and what that printed (.log).
type unit struct {
	name, base  string
	text        []byte // nil when there is no such unit
	exec        []string
	environment []string
}

func load(dir, name string) (unit, error) {
	name = strings.TrimSuffix(name, ".service")
	if name == "" || name != filepath.Base(name) {
		return unit{}, fmt.Errorf("invalid unit name %q", name)
	}
	u := unit{name: name + ".service", base: filepath.Join(dir, name)}
	text, err := os.ReadFile(u.base + ".service")
	if errors.Is(err, fs.ErrNotExist) {
		return u, nil
	}
	if err != nil {
		return u, err
	}
	u.text = text
	return u, u.parse()
}

func (u *unit) parse() error {
	lines := strings.ReplaceAll(string(u.text), "\\\n", " ")
	for line := range strings.Lines(lines) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		value = strings.TrimSpace(value)
		words, err := split(value)
		if err != nil {
			return fmt.Errorf("%s: %s: %w", u.name, key, err)
		}
		switch strings.TrimSpace(key) {
		case "ExecStart":
			u.exec = words
		case "Environment":
			u.environment = append(u.environment, words...)
		case "EnvironmentFile":
			file, optional := strings.CutPrefix(value, "-")
			raw, err := os.ReadFile(file)
			if optional && errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err != nil {
				return fmt.Errorf("%s: %w", u.name, err)
			}
			for l := range strings.Lines(string(raw)) {
				if l = strings.TrimSpace(l); l == "" || l[0] == '#' || l[0] == ';' {
					continue
				}
				name, v, _ := strings.Cut(l, "=")
				u.environment = append(u.environment, name+"="+strings.Trim(v, `"'`))
			}
		}
	}
	return nil
}

// split cuts at blanks, except between quotes. There is no shell in it.
func split(s string) ([]string, error) {
	var words []string
	var word strings.Builder
	var quote rune
	begun := false
	for _, r := range s {
		switch {
		case quote != 0 && r == quote:
			quote = 0
		case quote == 0 && (r == '"' || r == '\''):
			quote, begun = r, true
		case quote == 0 && (r == ' ' || r == '\t'):
			if begun {
				words = append(words, word.String())
				word.Reset()
				begun = false
			}
		default:
			word.WriteRune(r)
			begun = true
		}
	}
	if quote != 0 {
		return nil, errors.New("unbalanced quotes")
	}
	if begun {
		words = append(words, word.String())
	}
	return words, nil
}

func (u unit) missing() (int, error) {
	return 5, fmt.Errorf("Unit %s not found.", u.name)
}

// pid is the running process, or 0. A process that ended is noticed by its
// start time, so a number that was given away again is not taken for ours.
func (u unit) pid() int {
	raw, err := os.ReadFile(u.base + ".pid")
	if err != nil {
		return 0
	}
	text, started, _ := strings.Cut(strings.TrimSpace(string(raw)), " ")
	pid, err := strconv.Atoi(text)
	if err != nil || pid <= 0 || startTime(pid) != started {
		return 0
	}
	return pid
}

// startTime is "" for a process that is gone or is only waiting to be reaped.
func startTime(pid int) string {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return ""
	}
	fields := strings.Fields(string(raw[strings.LastIndexByte(string(raw), ')')+1:]))
	if len(fields) < 20 || fields[0] == "Z" {
		return ""
	}
	return fields[19]
}

func (u unit) start() (int, error) {
	if u.text == nil {
		return u.missing()
	}
	if u.pid() != 0 {
		return 0, nil
	}
	if len(u.exec) == 0 {
		return 1, fmt.Errorf("%s has no ExecStart=", u.name)
	}
	log, err := os.OpenFile(u.base+".log", os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return 1, err
	}
	defer log.Close()
	cmd := exec.Command(u.exec[0], u.exec[1:]...)
	cmd.Env = append(os.Environ(), u.environment...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return 1, fmt.Errorf("%s: %w", u.name, err)
	}
	pid := cmd.Process.Pid
	text := fmt.Sprintf("%d %s\n", pid, startTime(pid))
	if err := os.WriteFile(u.base+".pid", []byte(text), 0o600); err != nil {
		return 1, err
	}
	return 0, cmd.Process.Release()
}

func (u unit) stop() (int, error) {
	if u.text == nil {
		return u.missing()
	}
	pid := u.pid()
	if pid == 0 {
		return 0, nil
	}
	for _, step := range []struct {
		signal syscall.Signal
		wait   time.Duration
	}{{syscall.SIGTERM, 30 * time.Second}, {syscall.SIGKILL, 5 * time.Second}} {
		if err := syscall.Kill(pid, step.signal); err != nil && !errors.Is(err, syscall.ESRCH) {
			return 1, fmt.Errorf("%s: %w", u.name, err)
		}
		for end := time.Now().Add(step.wait); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
			if u.pid() == 0 {
				return 0, os.Remove(u.base + ".pid")
			}
		}
	}
	return 1, fmt.Errorf("%s: process %d does not end", u.name, pid)
}

func (u unit) restart() (int, error) {
	if code, err := u.stop(); err != nil {
		return code, err
	}
	return u.start()
}

func (u unit) cat() (int, error) {
	if u.text == nil {
		return 1, fmt.Errorf("No files found for %s.", u.name)
	}
	fmt.Printf("# %s.service\n%s", u.base, u.text)
	return 0, nil
}

func (u unit) state() string {
	if u.pid() != 0 {
		return "active"
	}
	return "inactive"
}

func (u unit) isActive(quiet bool) (int, error) {
	state := u.state()
	if !quiet {
		fmt.Println(state)
	}
	if state != "active" {
		return 3, nil
	}
	return 0, nil
}

// show knows the properties that a backup has reason to ask for.
func (u unit) show(property string, value bool) (int, error) {
	if !value || property == "" {
		return 1, errors.New("show: this stand-in knows show -p PROPERTY --value only")
	}
	load := "loaded"
	if u.text == nil {
		load = "not-found"
	}
	answer, ok := map[string]string{
		"ActiveState": u.state(),
		"LoadState":   load,
		"MainPID":     strconv.Itoa(u.pid()),
		"Id":          u.name,
		"ExecStart":   execStart(u.exec),
		"Environment": strings.Join(u.environment, " "),
	}[property]
	if !ok {
		return 1, fmt.Errorf("show: this stand-in does not know property %q", property)
	}
	fmt.Println(answer)
	return 0, nil
}

func execStart(argv []string) string {
	if len(argv) == 0 {
		return ""
	}
	return fmt.Sprintf("{ path=%s ; argv[]=%s ; ignore_errors=no }", argv[0], strings.Join(argv, " "))
}
