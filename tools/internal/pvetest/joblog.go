package pvetest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

func (j *job) say(format string, args ...any) {
	fmt.Fprintf(&j.log, format+"\n", args...)
	if !j.on("quiet") {
		fmt.Fprintf(j.err, format+"\n", args...)
	}
}

func (j *job) info(format string, args ...any) { j.say("INFO: "+format, args...) }

func stamp(t time.Time) string { return t.Format("2006-01-02 15:04:05") }

// line is the command line as the log repeats it.
func (j *job) line() string {
	var b strings.Builder
	fmt.Fprintf(&b, "vzdump %d", j.id)
	for _, name := range j.names {
		value := j.values[name]
		if name == "stdout" {
			continue
		}
		if name == "fleecing" {
			value = strings.Replace(value, "enabled=", "", 1)
		}
		fmt.Fprintf(&b, " --%s %s", name, quoted(value))
	}
	return b.String()
}

var plainWord = regexp.MustCompile(`^[\w!%+,./:@^-]+$`)

// quoted is a word of a command line as Proxmox prints it.
func quoted(s string) string {
	if plainWord.MatchString(s) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'"'"'`) + "'"
}

// base is the name of what the job leaves in dumpdir.
func (j *job) base() string {
	return fmt.Sprintf("vzdump-%s-%d-%s", j.guest.kind, j.id, j.began.Format("2006_01_02-15_04_05"))
}

// folder makes the job's folder for temporary files.
func (j *job) folder() error {
	j.tmp = filepath.Join(j.dumpdir, j.base()+".tmp")
	name := j.tmp
	if dir := j.values["tmpdir"]; dir != "" {
		j.tmp = filepath.Join(dir, fmt.Sprintf("vzdumptmp%d_%d", os.Getpid(), j.id))
		name = j.tmp + "/"
	} else if is(j.node, "dumpdir full") && j.guest.kind == typeCT {
		j.tmp = j.at(fmt.Sprintf("var/tmp/vzdumptmp%d_%d", os.Getpid(), j.id))
		if err := os.MkdirAll(filepath.Dir(j.tmp), 0o755); err != nil {
			return err
		}
		j.info("filesystem type on dumpdir is 'tmpfs' -using %s for temporary files", j.tmp)
	}
	// A job of the same second may have been killed.
	err := errors.Join(os.RemoveAll(j.tmp), os.Mkdir(j.tmp, 0o700))
	if is(j.node, "dumpdir read-only") {
		_ = os.Remove(j.tmp)
		err = errors.New("read-only")
	}
	if err != nil {
		return fmt.Errorf("unable to create temporary directory '%s' at /usr/share/perl5/PVE/VZDump.pm line 1048.", name)
	}
	j.clean = append(j.clean, func() error { return os.RemoveAll(j.tmp) })
	return nil
}

// litter leaves the log in dumpdir, which vzdump does at every run.
func (j *job) litter() {
	path := filepath.Join(j.dumpdir, j.base()+".log")
	err := os.WriteFile(path, j.log.Bytes(), 0o644)
	if is(j.node, "dumpdir full") {
		err = unix.ENOSPC
		_ = os.WriteFile(path, nil, 0o644)
	}
	if errors.Is(err, unix.ENOSPC) && !j.on("quiet") {
		fmt.Fprintf(j.err, "cp: error writing '%s': No space left on device\n", path)
	}
}

// settle is the configuration that goes into an archive.
func (j *job) settle() config {
	conf := j.state.config
	conf.keys = cloned(conf.keys)
	conf.sections = ""
	for key := range conf.keys {
		if key == "lock" || key == "parent" || strings.HasPrefix(key, "unused") {
			delete(conf.keys, key)
		}
	}
	return conf
}

// names prints the guest's name, if it has one.
func (j *job) name() {
	key := map[string]string{typeVM: "name", typeCT: "hostname"}[j.guest.kind]
	if name := j.state.keys[key]; name != "" {
		j.info("%s Name: %s", j.guest.word(), name)
	}
}

func (j *job) mode() string {
	mode := j.values["mode"]
	if mode == "" {
		mode = "snapshot"
	}
	if !j.state.runs {
		mode = "stop"
	}
	return mode
}

func (j *job) modeLines() {
	j.info("backup mode: %s", j.mode())
	j.info("ionice priority: 7")
}
