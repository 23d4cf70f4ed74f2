package pvetest

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

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
