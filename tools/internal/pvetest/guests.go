package pvetest

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
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

func (w *World) common(keys map[string]string, nameKey, name string, tags []string, lock string) {
	for key, value := range map[string]string{nameKey: name, "tags": strings.Join(tags, ";"), "lock": lock} {
		if value != "" {
			keys[key] = value
		}
	}
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
