package pvetest

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

func vzdumpSyntax() syntax {
	return syntax{
		usage: "vzdump {<vmid>} [OPTIONS]",
		values: []string{
			"mode", "compress", "node", "dumpdir", "tmpdir", "fleecing", "bwlimit", "ionice", "storage", "notes-template",
			"lockwait", "notification-mode", "performance", "zstd",
		},
		flags: []string{"stdout", "all", "quiet", "remove", "stdexcludes", "protected"},
		enums: map[string]string{"mode": "snapshot, suspend, stop", "compress": "0, 1, gzip, lzo, zstd", "notification-mode": "auto, legacy-sendmail, notification-system"},
	}
}

// vzdump writes one guest to standard output. Archives in files are not faked.
func vzdump(c *call, args []string) error {
	s := vzdumpSyntax()
	words, o, err := s.parse(args)
	if err != nil {
		return err
	}
	if o.has("notes-template") && !o.has("storage") {
		return s.invalid("storage", "missing property required by 'notes-template'")
	}
	if o.has("protected") && !o.has("storage") {
		return s.invalid("storage", "missing property required by 'protected'")
	}
	var ids []int
	for _, word := range words {
		id, err := strconv.Atoi(word)
		if err != nil || id < 100 || id > 999999999 {
			return s.invalid("vmid", "invalid format - invalid VMID")
		}
		ids = append(ids, id)
	}
	if o.has("storage") {
		if o.on("stdout") {
			return fail(255, "cannot use options 'storage' and 'stdout' at the same time")
		}
		if _, err := c.storage(o.values["storage"]); err != nil {
			return fail(255, "could not activate storage '%[1]s': %[2]v could not get storage information for '%[1]s': %[2]v", o.values["storage"], err)
		}
	}
	if o.on("stdout") && (o.on("all") || len(ids) > 1) {
		return fail(255, "you can only backup a single VM with option --stdout")
	}
	if len(ids) == 0 && !o.on("all") {
		return s.invalid("vmid", "property is missing and it is not optional")
	}
	if !o.on("stdout") {
		return fail(255, "pvetest: only --stdout is faked")
	}
	if node := o.values["node"]; o.has("node") && node != c.node {
		return nil
	}
	j := &job{call: c, id: ids[0], options: o, dumpdir: c.at("var/lib/vz/dump")}
	if o.has("dumpdir") {
		j.dumpdir = o.values["dumpdir"]
		if info, err := os.Stat(j.dumpdir); err != nil || !info.IsDir() {
			return fail(255, "dumpdir '%s' does not exist", j.dumpdir)
		}
	} else if err := os.MkdirAll(j.dumpdir, 0o755); err != nil {
		return err
	}
	return j.run()
}

// job is one guest's backup.
type job struct {
	*call
	options
	id      int
	guest   guest
	state   state
	dumpdir string
	tmp     string // folder of the job in dumpdir
	began   time.Time
	node    []string // faults
	faults  []string
	log     bytes.Buffer
	warned  int
	clean   []func() error
}

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

func (j *job) run() error {
	g, found, err := j.find(j.id)
	if err != nil {
		return err
	}
	if found && g.node != j.call.node {
		return nil // silently, and with success: so does the real one
	}
	if j.faults, err = j.fault(fmt.Sprintf("vzdump-%d", j.id)); err != nil {
		return err
	}
	if j.node, err = j.fault("vzdump-" + j.call.node); err != nil {
		return err
	}
	free, err := j.globalLock()
	if err != nil {
		return err
	}
	defer free()
	j.guest, j.began = g, time.Now()
	j.info("starting new backup job: %s", j.line())
	if found {
		err = j.folder()
	} else {
		err = fmt.Errorf("unable to find VM '%d'", j.id)
	}
	if err == nil {
		err = j.work()
	}
	// In the order of a stack, as the real one does.
	for _, undo := range slices.Backward(j.clean) {
		err = errors.Join(err, undo())
	}
	if err != nil {
		j.say("ERROR: Backup of VM %d failed - %v", j.id, err)
		j.info("Failed at %s", stamp(time.Now()))
	} else {
		d := time.Since(j.began).Round(time.Second)
		j.info("Finished Backup of VM %d (%02d:%02d:%02d)", j.id, int(d.Hours()), int(d.Minutes())%60, int(d.Seconds())%60)
		j.info("Backup finished at %s", stamp(time.Now()))
	}
	if found {
		j.litter()
	}
	if err != nil {
		j.info("Backup job finished with errors")
		return fail(255, "job errors")
	}
	j.info("Backup job finished successfully")
	if j.warned > 0 && !j.on("quiet") {
		fmt.Fprintf(j.err, "Task finished with %d warning(s)!\n", j.warned)
	}
	return nil
}

// globalLock waits for the one vzdump that a node allows.
func (j *job) globalLock() (func(), error) {
	path := j.at("run/vzdump.lock")
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o640)
	if err != nil {
		return nil, err
	}
	free := func() { _ = f.Close() }
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err == nil {
		return free, nil
	}
	minutes := 180
	if s := j.values["lockwait"]; s != "" {
		if minutes, err = strconv.Atoi(s); err != nil {
			return nil, vzdumpSyntax().invalid("lockwait", "type check ('integer') failed - got '%s'", s)
		}
	}
	j.info("trying to get global lock - waiting...")
	end := time.Now().Add(time.Duration(minutes) * 60 * j.second)
	for time.Now().Before(end) {
		if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err == nil {
			j.info("got global lock")
			return free, nil
		}
		select {
		case <-j.stopped:
			return nil, fail(255, "ERROR: can't acquire lock '/var/run/vzdump.lock' - interrupted by signal")
		case <-time.After(5 * time.Millisecond):
		}
	}
	return nil, fail(255, "ERROR: can't acquire lock '/var/run/vzdump.lock' - got timeout")
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

func (j *job) work() error {
	j.info("Starting Backup of VM %d (%s)", j.id, j.guest.kind)
	j.info("Backup started at %s", stamp(j.began))
	s, err := j.call.state(j.guest)
	if err != nil {
		return err
	}
	j.state = s
	j.info("status = %s", s.status())
	if lock := s.keys["lock"]; lock != "" {
		return fmt.Errorf("%s is locked (%s)", j.guest.word(), lock)
	}
	locked := s.config
	locked.keys = cloned(s.keys)
	locked.keys["lock"] = "backup"
	if err := j.setConfig(j.guest, locked); err != nil {
		return err
	}
	j.clean = append(j.clean, func() error { return j.unlock(j.guest) })
	if is(j.faults, "leftover job") {
		j.say("WARN: left-over backup job still running inside QEMU - canceling now")
		j.warned++
	}
	send := j.machine
	if j.guest.kind == typeCT {
		send = j.container
	}
	// A write into a pipe that nobody reads cannot be interrupted: we leave
	// it behind.
	done := make(chan error, 1)
	go func() { done <- send() }()
	select {
	case err := <-done:
		return err
	case <-j.stopped:
		return errors.New("interrupted by signal")
	}
}

func cloned(keys map[string]string) map[string]string {
	m := map[string]string{}
	for key, value := range keys {
		m[key] = value
	}
	return m
}

// unlock takes our lock out of the configuration, as it is by now.
func (c cluster) unlock(g guest) error {
	conf, err := c.config(g)
	if err != nil {
		return err
	}
	delete(conf.keys, "lock")
	return c.setConfig(g, conf)
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
