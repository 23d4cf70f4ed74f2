package pvetest

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
)

var rootfsParameter = regexp.MustCompile(`^(?:volume=)?([A-Za-z0-9._-]+):([0-9]+)$`)

// restoreContainer is `pct restore`: what is not said on its command line is
// not taken from the archive, but for the plain keys.
func (c *call) restoreContainer(args []string) error {
	s := syntax{
		usage: "pct restore <vmid> <ostemplate> [OPTIONS]", blank: true,
		flags:  []string{"unprivileged", "unique", "force", "start", "ignore-unpack-errors"},
		values: append([]string{"storage", "rootfs", "pool", "bwlimit", "hostname", "memory", "cores", "swap", "net0", "features"}, mountPoints()...),
	}
	words, o, err := s.parse(args)
	if err != nil {
		return err
	}
	if len(words) != 2 {
		return s.refuse("400 not enough arguments")
	}
	id, err := strconv.Atoi(words[0])
	if err != nil || id < 100 {
		return s.invalid("vmid", "invalid format - value does not look like a valid VM ID")
	}
	if words[1] != "-" {
		return fail(255, "pvetest: only archives on standard input are faked")
	}
	old, exists, err := c.find(id)
	switch {
	case err != nil:
		return err
	case exists && old.node != c.node:
		return fail(2, "VM %d already exists on node '%s'", id, old.node)
	case exists && (!o.on("force") || old.kind != typeCT):
		return fail(255, "%s %d already exists on node '%s'", old.word(), id, old.node)
	case o.values["rootfs"] == "":
		return fail(255, "restore from pipe requires rootfs parameter")
	}
	m := rootfsParameter.FindStringSubmatch(o.values["rootfs"])
	if m == nil {
		return s.invalid("rootfs", "invalid format - format error")
	}
	gib, err := strconv.ParseInt(m[2], 10, 32)
	if err != nil {
		return err
	}
	st, err := c.storage(m[1])
	if err != nil {
		return fail(255, "unable to restore CT %d - %v", id, err)
	}
	if !st.holds("rootdir") {
		return fail(255, "unable to restore CT %d - storage '%s' does not support container directories", id, m[1])
	}
	if exists {
		was, err := c.state(old)
		if err != nil {
			return err
		}
		if was.runs {
			return fail(255, "CT %d is running", id)
		}
		if err := destroyGuest(c, was, nil, options{}); err != nil {
			return err
		}
	}
	r := ctRestore{call: c, options: o, guest: guest{id, typeCT, c.node}, storage: st, size: gib << 30}
	if err := r.restore(); err != nil {
		// The real one takes away what it made.
		return errors.Join(fail(255, "unable to restore CT %d - %v", id, err), r.undo())
	}
	if o.on("start") {
		s, err := c.state(r.guest)
		if err != nil {
			return err
		}
		return startGuest(c, s, nil, options{})
	}
	return nil
}

func mountPoints() []string {
	var all []string
	for i := range 10 {
		all = append(all, "mp"+strconv.Itoa(i))
	}
	return all
}

type ctRestore struct {
	*call
	options
	guest   guest
	storage storage
	size    int64 // bytes
	volumes []string
}

func (r *ctRestore) restore() error {
	if err := r.setConfig(r.guest, parseConfig([]byte("lock: create\n"))); err != nil {
		return err
	}
	volume, err := r.volume(r.storage, r.size)
	if err != nil {
		return err
	}
	given := map[string]string{"rootfs": volume + ",size=" + sizeText(r.size)}
	for _, key := range mountPoints() {
		if !r.has(key) {
			continue
		}
		if given[key], err = r.mountPoint(r.values[key]); err != nil {
			return err
		}
	}
	if err := r.unpack(); err != nil {
		return err
	}
	return r.merge(given)
}

// volume makes a volume with a file system, as mkfs tells of it.
func (r *ctRestore) volume(s storage, size int64) (string, error) {
	volume, err := r.allocate(s, r.guest.id, size)
	if err != nil {
		return "", err
	}
	r.volumes = append(r.volumes, volume)
	id, _ := uuid()
	blocks := size / 4096
	var backups []string
	for group := int64(1); group*32768 < blocks; group++ {
		if group == 1 || powerOf(3, group) || powerOf(5, group) || powerOf(7, group) {
			backups = append(backups, strconv.FormatInt(group*32768, 10))
		}
	}
	_, err = fmt.Fprintf(r.out, "Creating filesystem with %d 4k blocks and %d inodes\nFilesystem UUID: %s\nSuperblock backups stored on blocks: \n\t%s\n",
		blocks, blocks/4, id, strings.Join(backups, ", "))
	return volume, err
}

func powerOf(base, n int64) bool {
	for n > 1 && n%base == 0 {
		n /= base
	}
	return n == 1
}

// mountPoint makes the volume of a mount point that was given: storage:GiB with
// its mp= and options, or a path of the node.
func (r *ctRestore) mountPoint(value string) (string, error) {
	first, rest, _ := strings.Cut(value, ",")
	if strings.HasPrefix(first, "/") {
		return value, nil
	}
	m := rootfsParameter.FindStringSubmatch(first)
	if m == nil {
		return "", fmt.Errorf("unable to parse mount point '%s'", value)
	}
	gib, err := strconv.ParseInt(m[2], 10, 32)
	if err != nil {
		return "", err
	}
	s, err := r.call.storage(m[1])
	if err != nil {
		return "", err
	}
	volume, err := r.volume(s, gib<<30)
	return volume + "," + rest + ",size=" + sizeText(gib<<30), err
}

// unpack gives the archive to the real tar, which says what it thinks of it on
// our standard output.
func (r *ctRestore) unpack() error {
	root := r.rootfs(r.guest.id)
	if err := os.MkdirAll(root, 0o755); err != nil {
		return err
	}
	fault, err := r.fault("pct-" + r.node)
	if err != nil {
		return err
	}
	fmt.Fprintln(r.out, "extracting archive from STDIN")
	words := func(tree string) []string {
		return append(tarOptions("xpf"), "-C", tree, "--skip-old-files", "--anchored", "--exclude", "./dev/*")
	}
	told, real := words(fmt.Sprintf("/var/lib/lxc/%d/rootfs", r.guest.id)), words(root)
	if r.on("unprivileged") {
		told = append(append([]string{}, usernsexec...), told...)
	}
	// Who runs the fake owns the files, in place of root.
	real = append(real, "--no-same-owner")
	tar := exec.Command(real[0], real[1:]...)
	tar.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	tar.Env = append(os.Environ(), "LC_ALL=C")
	tar.Stdout, tar.Stderr = r.out, r.out
	in, err := tar.StdinPipe()
	if err != nil {
		return err
	}
	if err := tar.Start(); err != nil {
		return err
	}
	copied := make(chan error, 1)
	go func() {
		_, err := io.Copy(in, &faulty{r: r.in, fault: fault})
		copied <- errors.Join(err, in.Close())
	}()
	ended := make(chan error, 1)
	go func() { ended <- tar.Wait() }()
	select {
	case <-r.stopped:
		_ = tar.Process.Kill()
		return errors.New("interrupted by signal")
	case err = <-ended:
	}
	if err == nil && len(fault) > 0 {
		err = <-copied
	}
	if err == nil {
		return nil
	}
	return fmt.Errorf("command '%s' failed: exit code %d", commandLine(told), max(2, tar.ProcessState.ExitCode()))
}

var osRelease = regexp.MustCompile(`(?m)^ID="?([a-z]+)"?$`)

// merge makes the configuration from what was given and the archive's.
func (r *ctRestore) merge(given map[string]string) error {
	fmt.Fprintln(r.out, "merging backed-up and given configuration..")
	archived := filepath.Join(r.rootfs(r.guest.id), "etc", "vzdump")
	text, err := os.ReadFile(filepath.Join(archived, "pct.conf"))
	if err != nil {
		return errors.New("archive does not contain etc/vzdump/pct.conf")
	}
	if err := os.RemoveAll(archived); err != nil {
		return err
	}
	conf := parseConfig(text)
	was := conf.keys["ostype"]
	for key := range conf.keys {
		if mountKey.MatchString(key) || key == "unprivileged" || key == "lock" || strings.HasPrefix(key, "unused") {
			delete(conf.keys, key)
		}
	}
	if conf.keys["swap"] == "" {
		conf.keys["swap"] = "512"
	}
	conf.keys["ostype"] = "unmanaged"
	release, err := os.ReadFile(filepath.Join(r.rootfs(r.guest.id), "etc", "os-release"))
	if m := osRelease.FindSubmatch(release); m != nil {
		conf.keys["ostype"] = string(m[1])
	} else if err != nil {
		fmt.Fprintln(r.out, "/etc/os-release file not found and autodetection failed, falling back to 'unmanaged'")
	}
	if now := conf.keys["ostype"]; was != "" && now != was {
		fmt.Fprintf(r.out, "got unexpected ostype (%s != %s)\n", now, was)
	}
	for key, value := range given {
		conf.keys[key] = value
	}
	for _, key := range []string{"hostname", "memory", "cores", "swap", "net0", "features"} {
		if r.has(key) {
			conf.keys[key] = r.values[key]
		}
	}
	if r.on("unprivileged") {
		conf.keys["unprivileged"] = "1"
	}
	if r.on("unique") {
		renew(conf)
	}
	return r.setConfig(r.guest, conf)
}

func (r *ctRestore) undo() error {
	var all error
	for _, volume := range r.volumes {
		all = errors.Join(all, r.free(volume))
	}
	return errors.Join(all, os.RemoveAll(r.rootfs(r.guest.id)), r.removeConfig(r.guest))
}
