package pvetest

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"
)

// qmrestore restores a virtual machine from standard input, and leaves behind
// what the real one leaves where it fails.
func qmrestore(c *call, args []string) error {
	s := syntax{
		usage: "qmrestore <archive> <vmid> [OPTIONS]", blank: true,
		flags: []string{"force", "unique", "start"}, values: []string{"storage", "pool", "bwlimit"},
	}
	words, o, err := s.parse(args)
	if err != nil {
		return err
	}
	if len(words) != 2 {
		return s.refuse("400 not enough arguments")
	}
	id, err := strconv.Atoi(words[1])
	if err != nil || id < 100 {
		return s.invalid("vmid", "invalid format - value does not look like a valid VM ID")
	}
	if words[0] != "-" {
		return fail(255, "pvetest: only archives on standard input are faked")
	}
	refused := func(format string, args ...any) error {
		return fail(255, "unable to restore VM %d - %s", id, fmt.Sprintf(format, args...))
	}
	g := guest{id, typeVM, c.node}
	old, exists, err := c.find(id)
	if err != nil {
		return err
	}
	if exists && (old != g || !o.on("force")) {
		return refused("VM %d already exists on node '%s'", id, old.node)
	}
	const broken = "error before or during data restore, some or all disks were not completely restored. VM %d state is NOT cleaned up.\n"
	if exists {
		was, err := c.state(g)
		if err != nil {
			return err
		}
		if was.runs {
			fmt.Fprintf(c.out, broken, id)
			return refused("vm is running")
		}
		if lock := was.keys["lock"]; lock != "" {
			return refused("VM is locked (%s)", lock)
		}
		for _, d := range was.drives(driveKey) {
			if err := c.free(d.volume); err != nil {
				return refused("%v", err)
			}
		}
	}
	fault, err := c.fault("qmrestore-" + c.node)
	if err != nil {
		return err
	}
	// From here on the id is taken, also if all fails.
	if err := c.setConfig(g, parseConfig([]byte("lock: create\nmemory: 128\n"))); err != nil {
		return err
	}
	r := &vmRestore{call: c, options: o, guest: g, fifo: fmt.Sprintf("/var/tmp/vzdumptmp%d", os.Getpid())}
	in := &faulty{r: c.in, fault: fault}
	fmt.Fprintf(c.out, "restore vma archive: vma extract -v -r %[1]s.fifo - %[1]s\n", r.fifo)
	if err := r.read(in); err != nil {
		if err := r.undo(); err != nil {
			return err
		}
		if err := c.setConfig(g, parseConfig([]byte("memory: 128\n"))); err != nil {
			return err
		}
		fmt.Fprintf(c.out, broken, id)
		return fail(255, "command 'set -o pipefail && vma extract -v -r %[1]s.fifo - %[1]s' failed: %[2]v", r.fifo, err)
	}
	fmt.Fprintln(c.out, "rescan volumes...")
	if err := c.setConfig(g, r.config); err != nil {
		return err
	}
	if o.on("start") {
		return c.run(id, running{PID: 4711, Started: time.Now()})
	}
	return nil
}

// vmRestore is a restore that is under way.
type vmRestore struct {
	*call
	options
	guest   guest
	fifo    string
	config  config
	volumes []string
	files   []*os.File
}

func (r *vmRestore) read(in io.Reader) error {
	a, err := r.header(in)
	if err != nil {
		return err
	}
	for _, f := range a.configs {
		fmt.Fprintf(r.out, "CFG: size: %d name: %s\n", len(f.data), f.name)
	}
	for _, d := range a.devices {
		fmt.Fprintf(r.out, "DEV: dev_id=%d size: %d devname: %s\n", d.id, d.size, d.name)
	}
	fmt.Fprintf(r.out, "CTIME: %s\n", time.Unix(a.created, 0).Format(time.ANSIC))
	if err := r.place(a); err != nil {
		return err
	}
	defer func() {
		for _, f := range r.files {
			_ = f.Close()
		}
	}()
	if len(a.devices) == 0 {
		fmt.Fprintln(r.out, "vma archive contains no image data")
		_, err := io.Copy(io.Discard, in)
		return err
	}
	err = a.extract(in, r.files, r.out, r.stopped)
	if errors.Is(err, errArchive) {
		fmt.Fprintf(r.out, "vma: restore failed - %v\n", errors.Unwrap(err))
		return errors.New("got signal 5")
	}
	return err
}

// header waits for the header no longer than the real one does.
func (r *vmRestore) header(in io.Reader) (*vmaHead, error) {
	type result struct {
		*vmaHead
		error
	}
	done := make(chan result, 1)
	go func() {
		a, err := readHead(in)
		done <- result{a, err}
	}()
	select {
	case got := <-done:
		if got.error == nil {
			return got.vmaHead, nil
		}
	case <-time.After(60 * r.second):
	case <-r.stopped:
		return nil, errors.New("interrupted by signal")
	}
	return nil, errors.New("got timeout reading VMA header - corrupted?")
}
