package pvetest

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
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
	for name, v := range properties(value, "volume") {
		if name == "ro" && v == "1" {
			return "", errors.New("mount point is read-only: nothing can be unpacked into it")
		}
	}
	s, err := r.call.storage(m[1])
	if err != nil {
		return "", err
	}
	volume, err := r.volume(s, gib<<30)
	return volume + "," + rest + ",size=" + sizeText(gib<<30), err
}

func (r *ctRestore) undo() error {
	var all error
	for _, volume := range r.volumes {
		all = errors.Join(all, r.free(volume))
	}
	return errors.Join(all, os.RemoveAll(r.rootfs(r.guest.id)), r.removeConfig(r.guest))
}
