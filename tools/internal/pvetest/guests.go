package pvetest

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// VM is a virtual machine to be made.
type VM struct {
	ID          int
	Node        string
	Name        string // empty: none
	Disks       []Disk
	Memory      int // MiB; 0: 512
	Tags        []string
	Pool        string
	Description string
	Agent       bool
	Net         bool // net0, with a hardware address of its own
	Running     bool
	Paused      bool
	Template    bool
	Lock        string            // backup, migrate, …
	Firewall    string            // of firewall/<id>.fw; empty: none
	Keys        map[string]string // further lines of the configuration, or in place of the above
}

// Disk is a disk of a VM. Its content depends on the guest's id and on Key
// alone: Begin, then Random bytes that cannot be compressed, then Text bytes of
// text, then zeros that take no room.
type Disk struct {
	Key      string // scsi0
	Storage  string // empty: local
	Size     int64  // bytes
	Random   int64
	Text     int64
	Begin    string
	NoBackup bool // backup=0
	Missing  bool // the volume is not there
}

// CT is a container to be made.
type CT struct {
	ID          int
	Node        string
	Name        string
	Privileged  bool
	Size        int64 // bytes of the rootfs; 0: 1 GiB
	Storage     string
	Files       map[string]string // content by path; etc/os-release of a Debian is made besides
	Mounts      []Mount
	Tags        []string
	Pool        string
	Description string
	Running     bool
	Lock        string
	Keys        map[string]string
}

// Mount is a mount point of a CT: a volume, or a path of the node.
type Mount struct {
	Key    string // mp0
	Path   string // within the container
	Bind   string // path of the node; empty: a volume
	Size   int64  // bytes; 0: 1 GiB
	Backup bool   // backup=1
}

// AddVM makes a virtual machine.
func (w *World) AddVM(vm VM) error {
	g := guest{vm.ID, typeVM, vm.Node}
	keys := map[string]string{"memory": strconv.Itoa(max(vm.Memory, 0)), "ostype": "l26"}
	if vm.Memory == 0 {
		keys["memory"] = "512"
	}
	if len(vm.Disks) > 0 {
		keys["boot"] = "order=" + vm.Disks[0].Key
		keys["scsihw"] = "virtio-scsi-single"
	}
	if vm.Agent {
		keys["agent"] = "1"
	}
	if vm.Net {
		keys["net0"] = fmt.Sprintf("virtio=BC:24:11:00:%02X:%02X,bridge=vmbr0,firewall=1", vm.ID>>8&0xff, vm.ID&0xff)
	}
	if vm.Template {
		keys["template"] = "1"
	}
	w.common(keys, "name", vm.Name, vm.Tags, vm.Lock)
	at, err := w.on(vm.Node)
	if err != nil {
		return err
	}
	next := map[string]int{}
	for _, d := range vm.Disks {
		if d.Storage == "" {
			d.Storage = "local"
		}
		if keys[d.Key], err = at.addDisk(vm.ID, next, d); err != nil {
			return err
		}
	}
	if vm.Firewall != "" {
		if err := write(w.pve(fmt.Sprintf("firewall/%d.fw", vm.ID)), []byte(vm.Firewall)); err != nil {
			return err
		}
	}
	return w.add(g, keys, vm.Keys, vm.Description, vm.Pool, vm.Running || vm.Paused, vm.Paused)
}

// AddCT makes a container.
func (w *World) AddCT(ct CT) error {
	g := guest{ct.ID, typeCT, ct.Node}
	keys := map[string]string{"arch": "amd64", "memory": "512", "ostype": "debian", "swap": "512"}
	if !ct.Privileged {
		keys["unprivileged"] = "1"
	}
	w.common(keys, "hostname", ct.Name, ct.Tags, ct.Lock)
	at, err := w.on(ct.Node)
	if err != nil {
		return err
	}
	next := map[string]int{}
	storage := ct.Storage
	if storage == "" {
		storage = "local"
	}
	size := func(n int64) int64 {
		if n == 0 {
			return 1 << 30
		}
		return n
	}
	if keys["rootfs"], err = at.addDisk(ct.ID, next, Disk{Key: "rootfs", Storage: storage, Size: size(ct.Size)}); err != nil {
		return err
	}
	files := maps.Clone(ct.Files)
	if files == nil {
		files = map[string]string{}
	}
	if _, ok := files["etc/os-release"]; !ok {
		files["etc/os-release"] = "NAME=\"Debian GNU/Linux\"\nID=debian\n"
	}
	for _, m := range ct.Mounts {
		value := m.Bind
		if value == "" {
			if value, err = at.addDisk(ct.ID, next, Disk{Key: m.Key, Storage: storage, Size: size(m.Size)}); err != nil {
				return err
			}
		}
		first, rest, more := strings.Cut(value, ",")
		keys[m.Key] = first + ",mp=" + m.Path
		if m.Backup {
			keys[m.Key] += ",backup=1"
		}
		if more {
			keys[m.Key] += "," + rest
		}
		if err := os.MkdirAll(filepath.Join(at.rootfs(ct.ID), m.Path), 0o755); err != nil {
			return err
		}
	}
	for path, text := range files {
		if err := write(filepath.Join(at.rootfs(ct.ID), path), []byte(text)); err != nil {
			return err
		}
	}
	return w.add(g, keys, ct.Keys, ct.Description, ct.Pool, ct.Running, false)
}

func (w *World) common(keys map[string]string, nameKey, name string, tags []string, lock string) {
	for key, value := range map[string]string{nameKey: name, "tags": strings.Join(tags, ";"), "lock": lock} {
		if value != "" {
			keys[key] = value
		}
	}
}

// on is a call on a node, for what needs its paths.
func (w *World) on(node string) (*call, error) {
	f, err := w.file()
	if err != nil {
		return nil, err
	}
	if _, known := f.node(node); !known {
		return nil, fmt.Errorf("pvetest: no node is called %q", node)
	}
	return &call{cluster: w.cluster, node: node, root: w.nodeDir(node), second: time.Second, out: io.Discard, err: io.Discard}, nil
}

func (w *World) add(g guest, keys, more map[string]string, description, pool string, runs, paused bool) error {
	if _, taken, err := w.find(g.id); err != nil || taken {
		return errors.Join(err, fmt.Errorf("pvetest: guest %d is there already", g.id))
	}
	maps.Copy(keys, more)
	conf := config{keys: keys}
	if description != "" {
		conf.describe(description)
	}
	if pool != "" {
		if err := w.join(pool, g.id); err != nil {
			return err
		}
	}
	if err := w.setConfig(g, conf); err != nil {
		return err
	}
	if !runs {
		return nil
	}
	return w.run(g.id, running{Paused: paused, PID: 1000 + g.id, Started: time.Now()})
}

// join puts a guest into a pool.
func (w *World) join(pool string, id int) error {
	pools, err := w.pools()
	if err != nil {
		return err
	}
	pools[pool] = append(pools[pool], id)
	b := []byte("user:root@pam:1:0:::::x::\n\n")
	for _, name := range slices.Sorted(maps.Keys(pools)) {
		var ids []string
		for _, id := range pools[name] {
			ids = append(ids, strconv.Itoa(id))
		}
		b = fmt.Appendf(b, "pool:%s::%s::\n", name, strings.Join(ids, ","))
	}
	return write(w.pve("user.cfg"), b)
}

// addDisk makes a volume with its content and returns the line of the
// configuration. next counts the volumes of the guest.
func (c *call) addDisk(id int, next map[string]int, d Disk) (string, error) {
	n := next["disk"]
	next["disk"]++
	s, err := c.storage(d.Storage)
	if err != nil {
		return "", err
	}
	name := fmt.Sprintf("vm-%d-disk-%d", id, n)
	if s.kind != "lvmthin" {
		name = fmt.Sprintf("%d/%s.raw", id, name)
	}
	volume := d.Storage + ":" + name
	line := volume
	if d.NoBackup {
		line += ",backup=0"
	}
	line += ",size=" + sizeText(d.Size)
	if d.Missing {
		return line, nil
	}
	path, err := c.path(volume)
	if err != nil {
		return "", err
	}
	if err := c.freshDisk(path, d.Size); err != nil {
		return "", err
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return "", err
	}
	defer f.Close()
	return line, d.fill(f, id)
}

// fill writes the disk's content.
func (d Disk) fill(w io.WriterAt, id int) error {
	var seed [32]byte
	copy(seed[:], fmt.Sprintf("%d %s", id, d.Key))
	random := rand.NewChaCha8(seed)
	if _, err := w.WriteAt([]byte(d.Begin), 0); err != nil {
		return err
	}
	at := (int64(len(d.Begin)) + 4095) &^ 4095
	text := strings.Repeat(fmt.Sprintf("guest %d, disk %s: some text that a backup must carry.\n", id, d.Key), 2000)
	part := make([]byte, clusterSize)
	for kind, left := range map[bool]int64{true: d.Random, false: d.Text} {
		from := at
		if !kind {
			from += d.Random
		}
		for n := int64(0); n < left; n += int64(len(part)) {
			p := part[:min(int64(len(part)), left-n)]
			if kind {
				_, _ = random.Read(p) // it does not fail
			} else {
				copy(p, text[n%97:])
			}
			if _, err := w.WriteAt(p, from+n); err != nil {
				return err
			}
		}
	}
	return nil
}

// Migrate moves a guest to another node, with its local volumes. It runs on.
func (w *World) Migrate(id int, node string) error {
	g, there, err := w.find(id)
	if err != nil || !there {
		return errors.Join(err, fmt.Errorf("pvetest: no guest %d", id))
	}
	from, err := w.on(g.node)
	if err != nil {
		return err
	}
	to, err := w.on(node)
	if err != nil {
		return err
	}
	conf, err := w.config(g)
	if err != nil {
		return err
	}
	keys := driveKey
	if g.kind == typeCT {
		keys = mountKey
		if err := os.Rename(from.rootfs(id), to.rootfs(id)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	for _, d := range conf.drives(keys) {
		if strings.HasPrefix(d.volume, "/") {
			continue
		}
		old, err := from.path(d.volume)
		if err != nil {
			return err
		}
		fresh, err := to.path(d.volume)
		if err != nil {
			return err
		}
		if old == fresh {
			continue
		}
		if err := os.MkdirAll(filepath.Dir(fresh), 0o755); err != nil {
			return err
		}
		if err := os.Rename(old, fresh); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	moved := guest{id, g.kind, node}
	if err := os.Rename(w.pve(g.conf()), w.pve(moved.conf())); err != nil {
		return err
	}
	return w.listGuests()
}

// Remove takes a guest away, with its volumes.
func (w *World) Remove(id int) error {
	s, c, err := w.look(id)
	if err != nil {
		return err
	}
	delete(s.keys, "protection")
	s.runs = false
	return errors.Join(w.halt(id), destroyGuest(c, s, nil, options{values: map[string]string{"skiplock": "1"}}))
}

// look is a guest's state, and a call on its node.
func (w *World) look(id int) (state, *call, error) {
	g, there, err := w.find(id)
	if err != nil {
		return state{}, nil, err
	}
	if !there {
		return state{}, nil, fmt.Errorf("pvetest: no guest %d", id)
	}
	s, err := w.state(g)
	if err != nil {
		return s, nil, err
	}
	c, err := w.on(g.node)
	return s, c, err
}

// SetKey changes a line of a guest's configuration; an empty value takes it
// out. The key lock is one of them.
func (w *World) SetKey(id int, key, value string) error {
	s, _, err := w.look(id)
	if err != nil {
		return err
	}
	if s.keys[key] = value; value == "" {
		delete(s.keys, key)
	}
	return w.setConfig(s.guest, s.config)
}

// Key is a line of a guest's configuration, empty if it is not there.
func (w *World) Key(id int, key string) (string, error) {
	s, _, err := w.look(id)
	return s.keys[key], err
}

// Has says whether there is a guest of that id, and on which node.
func (w *World) Has(id int) (node string, there bool, err error) {
	g, there, err := w.find(id)
	return g.node, there, err
}

// Run makes a guest run.
func (w *World) Run(id int) error {
	return w.run(id, running{PID: 1000 + id, Started: time.Now()})
}

// Pause makes a guest run and be paused.
func (w *World) Pause(id int) error {
	return w.run(id, running{Paused: true, PID: 1000 + id, Started: time.Now()})
}

// Halt ends a guest.
func (w *World) Halt(id int) error { return w.halt(id) }

// Runs says whether a guest runs.
func (w *World) Runs(id int) (bool, error) {
	_, runs, err := w.running(id)
	return runs, err
}

// DiskPath is the file of a guest's disk.
func (w *World) DiskPath(id int, key string) (string, error) {
	s, c, err := w.look(id)
	if err != nil {
		return "", err
	}
	return c.path(properties(s.keys[key], "volume")["volume"])
}

// Rootfs is the folder with the content of a container.
func (w *World) Rootfs(id int) (string, error) {
	_, c, err := w.look(id)
	if err != nil {
		return "", err
	}
	return c.rootfs(id), nil
}

// NodeDir is the folder that stands for a node's /.
func (w *World) NodeDir(node string) string { return w.nodeDir(node) }

// Blind kills the pvestatd of a node, or brings it back: without it the cluster
// does not know how the guests are, nor their names.
func (w *World) Blind(node string, blind bool) error {
	return w.change(node, func(m *member) { m.Blind = blind })
}

// GuestWrite is a write of a running guest to its disk: it returns how long
// the guest had to wait for vzdump's reader. With fleecing it does not wait.
func (w *World) GuestWrite(id int) (time.Duration, error) {
	began := time.Now()
	f, err := os.OpenFile(w.stallFile(id), os.O_RDWR|os.O_CREATE, 0o640)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
		return 0, err
	}
	return time.Since(began), nil
}
