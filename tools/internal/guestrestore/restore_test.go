package guestrestore_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"golang.org/x/sys/unix"

	"github.com/railiance/railiance/tools/internal/guestrestore"
	"github.com/railiance/railiance/tools/internal/guestset"
	"github.com/railiance/railiance/tools/internal/mustrun"
	"github.com/railiance/railiance/tools/internal/nodetar"
	"github.com/railiance/railiance/tools/internal/pve"
	"github.com/railiance/railiance/tools/internal/pvetest"
	"github.com/railiance/railiance/tools/internal/pvetest/nodes"
	"github.com/railiance/railiance/tools/internal/tell"
	"github.com/railiance/railiance/tools/internal/vma"
)

// world is three nodes behind real sshds, and what a restore into them needs.
type world struct {
	*pvetest.World
	cluster *pve.Cluster
	memory  guestset.Memory
	said    *bytes.Buffer
	tell    *tell.Teller
}

func start(t *testing.T) *world {
	t.Helper()
	w, cluster, connections := nodes.Start(t)
	said := &bytes.Buffer{}
	return &world{
		w, &pve.Cluster{Context: cluster, Connections: connections, Timeout: 20 * time.Second},
		guestset.MemoryOf(t.TempDir(), "madagascar"), said, &tell.Teller{Program: "test", W: said},
	}
}

func soon(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func (w *world) restore() *guestrestore.Restore {
	return &guestrestore.Restore{Cluster: w.cluster, Memory: w.memory, Tell: w.tell}
}

// backup makes a set of the guest that there is.
func (w *world) backup(t *testing.T, id int, change func(*guestset.About)) set {
	t.Helper()
	g, err := w.cluster.Locate(soon(t), id)
	ok(t, err)
	var b bytes.Buffer
	_, err = w.cluster.Dump(soon(t), g, pve.DumpOptions{}, &b)
	ok(t, err)
	return backedUp(t, guestset.Guest(g.Short(), id), b.Bytes(), func(a *guestset.About) {
		a.Node, a.Name = g.Node, g.Name
		if change != nil {
			change(a)
		}
	})
}

func (w *world) disk(t *testing.T, id int, key string) []byte {
	t.Helper()
	path, err := w.DiskPath(id, key)
	ok(t, err)
	b, err := os.ReadFile(path)
	ok(t, err)
	return b
}

func (w *world) has(t *testing.T, id int) string {
	t.Helper()
	node, there, err := w.Has(id)
	ok(t, err)
	if there && node == "" {
		t.Fatal("nowhere")
	}
	return node
}

func (w *world) key(t *testing.T, id int, key string) string {
	t.Helper()
	value, err := w.Key(id, key)
	ok(t, err)
	return value
}

// clean sees that nothing is left of what failed.
func (w *world) clean(t *testing.T, ids ...int) {
	t.Helper()
	ok(t, w.Quiet(10*time.Second))
	for _, id := range ids {
		if node := w.has(t, id); node != "" {
			t.Errorf("guest %d is left on %s", id, node)
		}
	}
	notes, err := filepath.Glob(filepath.Join(string(w.memory), "restoring-*"))
	if err != nil || len(notes) > 0 {
		t.Errorf("notes are left: %v, %v", notes, err)
	}
	for _, id := range ids {
		volumes, err := filepath.Glob(filepath.Join(w.Dir, "nodes", "*", "var/lib/vz/images", strconv.Itoa(id), "*"))
		if err != nil || len(volumes) > 0 {
			t.Errorf("volumes are left: %v, %v", volumes, err)
		}
	}
}

func web() pvetest.VM {
	return pvetest.VM{
		ID: 100, Node: "baobab", Name: "web", Net: true, Agent: true, Running: true, Tags: []string{"prod"},
		Disks: []pvetest.Disk{{Key: "scsi0", Size: 8 << 20, Random: 3 << 20, Text: 1 << 20}, {Key: "scsi1", Storage: "local-lvm", Size: 3 << 20, Random: 1 << 20}},
	}
}

// The guest comes back to the byte: in its own place when it is lost, beside
// itself with other addresses when it is not.
func TestRestoreVM(t *testing.T) {
	w := start(t)
	ok(t, w.AddVM(web()))
	s := w.backup(t, 100, nil)
	disks := map[string][]byte{"scsi0": w.disk(t, 100, "scsi0"), "scsi1": w.disk(t, 100, "scsi1")}
	address := w.key(t, 100, "net0")

	r := w.restore()
	_, err := r.Do(soon(t), s.Source)
	if fails(t, err, "vm 100 (web) on baobab is there"); !errors.Is(err, pve.ErrTaken) {
		t.Error(err)
	}
	beside := w.restore()
	beside.ID, beside.Node, beside.Storage = 150, "tapia", "local"
	done, err := beside.Do(soon(t), s.Source)
	ok(t, err)
	if runs, err := w.Runs(150); err != nil || runs || done.Started || !done.Unique || w.key(t, 150, "net0") == address {
		t.Errorf("%v %v, %+v, %s", runs, err, done, w.key(t, 150, "net0"))
	}
	ok(t, w.Remove(100))
	r.Start = true
	done, err = r.Do(soon(t), s.Source)
	ok(t, err)
	if runs, err := w.Runs(100); err != nil || !runs || !done.Started || done.Unique || w.key(t, 100, "net0") != address {
		t.Errorf("%v %v, %+v, %s", runs, err, done, w.key(t, 100, "net0"))
	}
	if !strings.HasPrefix(w.key(t, 100, "scsi1"), "local-lvm:") || !strings.HasPrefix(w.key(t, 150, "scsi1"), "local:") {
		t.Errorf("scsi1 is on %s and on %s", w.key(t, 100, "scsi1"), w.key(t, 150, "scsi1"))
	}
	for _, id := range []int{100, 150} {
		for key, want := range disks {
			if !bytes.Equal(w.disk(t, id, key), want) {
				t.Errorf("disk %s of %d differs", key, id)
			}
		}
	}
	w.clean(t)
}

func TestRestoreCT(t *testing.T) {
	w := start(t)
	ok(t, w.AddCT(pvetest.CT{
		ID: 200, Node: "tapia", Name: "dns", Size: 3 << 30, Files: map[string]string{"etc/hostname": "dns\n", "srv/zone": strings.Repeat("a record\n", 50_000)},
		Mounts: []pvetest.Mount{{Key: "mp0", Path: "/srv", Size: 2 << 30, Backup: true}, {Key: "mp1", Path: "/cache"}, {Key: "mp2", Path: "/host", Bind: "/mnt/host"}},
	}))
	s := w.backup(t, 200, nil)
	ok(t, w.Remove(200))
	r := w.restore()
	r.Node, r.ID = "ebony", 201
	done, err := r.Do(soon(t), s.Source)
	ok(t, err)
	if w.has(t, 201) != "ebony" || done.Unique || w.key(t, 201, "unprivileged") != "1" || w.key(t, 201, "hostname") != "dns" {
		t.Errorf("%+v on %s, unprivileged %q", done.Made, w.has(t, 201), w.key(t, 201, "unprivileged"))
	}
	if root, mp := w.key(t, 201, "rootfs"), w.key(t, 201, "mp0"); !strings.Contains(root, "size=3G") || !strings.Contains(mp, "mp=/srv") || !strings.Contains(mp, "size=2G") || !strings.Contains(mp, "backup=1") {
		t.Errorf("rootfs %s, mp0 %s", root, mp)
	}
	if left := w.key(t, 201, "mp1") + w.key(t, 201, "mp2"); left != "" {
		t.Errorf("mount points that are not in the archive: %s", left)
	}
	root, err := w.Rootfs(201)
	ok(t, err)
	b, err := os.ReadFile(filepath.Join(root, "srv/zone"))
	if err != nil || string(b) != strings.Repeat("a record\n", 50_000) {
		t.Errorf("%d bytes, %v", len(b), err)
	}
	w.clean(t)
}

// Each mount point goes to the storage where it was, or all to the one of --storage.
func TestRestoreOfMountPoints(t *testing.T) {
	w := start(t)
	ok(t, w.AddCT(pvetest.CT{ID: 200, Node: "tapia", Name: "dns", Mounts: []pvetest.Mount{{Key: "mp0", Path: "/srv", Backup: true}}}))
	config := ""
	s := w.backup(t, 200, func(a *guestset.About) {
		config = strings.Replace(a.Config, "mp0: local:", "mp0: local-lvm:", 1)
		a.Config = config
	})
	if !strings.Contains(config, "mp0: local-lvm:") {
		t.Fatal(config)
	}
	ok(t, w.Remove(200))
	for _, tt := range []struct {
		id                 int
		storage, root, mp0 string
	}{{201, "", "local:", "local-lvm:"}, {202, "local-lvm", "local-lvm:", "local-lvm:"}} {
		r := w.restore()
		r.ID, r.Storage = tt.id, tt.storage
		_, err := r.Do(soon(t), s.Source)
		ok(t, err)
		if root, mp := w.key(t, tt.id, "rootfs"), w.key(t, tt.id, "mp0"); !strings.HasPrefix(root, tt.root) || !strings.HasPrefix(mp, tt.mp0) {
			t.Errorf("%q: rootfs %s, mp0 %s", tt.storage, root, mp)
		}
	}
	w.clean(t)
}

// Proxmox takes no option of a volume from an archive, and unpacks nothing into
// what is read-only. A container is whole also where one cannot be set.
func TestRestoreOfVolumeOptions(t *testing.T) {
	w := start(t)
	ok(t, w.AddCT(pvetest.CT{
		ID: 200, Node: "tapia", Name: "dns", Files: map[string]string{"srv/zone": "a record\n"},
		Mounts: []pvetest.Mount{{Key: "mp0", Path: "/srv", Backup: true}},
	}))
	ok(t, w.SetKey(200, "rootfs", w.key(t, 200, "rootfs")+",acl=0,mountoptions=discard;noatime,quota=1,ro=1"))
	ok(t, w.SetKey(200, "mp0", w.key(t, 200, "mp0")+",replicate=0,ro=1,shared=1"))
	ok(t, w.SetKey(200, "protection", "1"))
	s := w.backup(t, 200, nil)
	odd := w.backup(t, 200, func(a *guestset.About) { a.Config = strings.Replace(a.Config, "quota=1", "quota=often", 1) })
	ok(t, w.SetKey(200, "protection", ""))
	ok(t, w.Remove(200))
	r := w.restore()
	r.ID = 201
	_, err := r.Do(soon(t), s.Source)
	ok(t, err)
	for key, want := range map[string][]string{
		"rootfs": {"acl=0", "mountoptions=discard;noatime", "quota=1", "ro=1", "size=1G"}, "mp0": {"mp=/srv", "backup=1", "replicate=0", "ro=1", "shared=1", "size=1G"},
	} {
		parts := strings.Split(w.key(t, 201, key), ",")[1:]
		slices.Sort(parts)
		if slices.Sort(want); !slices.Equal(parts, want) {
			t.Errorf("%s has %q", key, parts)
		}
	}
	if w.key(t, 201, "protection") != "1" || strings.Contains(w.said.String(), "not as it was") {
		t.Errorf("protection %q\n%s", w.key(t, 201, "protection"), w.said)
	}
	r = w.restore()
	r.ID = 202
	_, err = r.Do(soon(t), odd.Source)
	ok(t, err)
	if !strings.Contains(w.key(t, 202, "mp0"), "ro=1") || !strings.Contains(w.said.String(), "not as it was: options of its volumes: rootfs: ") {
		t.Errorf("mp0 %s\n%s", w.key(t, 202, "mp0"), w.said)
	}
	w.clean(t)
}

// A guest is replaced only by what was proven whole before it is touched.
func TestReplace(t *testing.T) {
	w := start(t)
	ok(t, w.AddVM(web()))
	s := w.backup(t, 100, nil)
	torn := w.backup(t, 100, func(a *guestset.About) { a.Disks[1].Digest = vma.Digest{} })
	want := w.disk(t, 100, "scsi0")
	r := w.restore()
	r.Replace = true
	_, err := r.Do(soon(t), s.Source)
	fails(t, err, "web) on baobab is running")
	ok(t, w.Halt(100))
	path, err := w.DiskPath(100, "scsi0")
	ok(t, err)
	ok(t, os.WriteFile(path, []byte("work of today"), 0o600))

	no := errors.New("no")
	r.Agree = func(p guestrestore.Plan) error {
		if p.Old == nil || p.Old.Name != "web" {
			t.Errorf("asked for %+v", p)
		}
		return no
	}
	if _, err := r.Do(soon(t), s.Source); !errors.Is(err, no) {
		t.Error(err)
	}
	r.Agree = nil
	_, err = r.Do(soon(t), torn.Source)
	fails(t, err, "disk scsi1: is not what was backed up")
	if got := w.disk(t, 100, "scsi0"); string(got) != "work of today" {
		t.Fatalf("the guest was touched: %d bytes", len(got))
	}
	ok(t, w.SetKey(100, "lock", "backup"))
	if _, err := r.Do(soon(t), s.Source); !errors.Is(err, pve.ErrLocked) {
		t.Error(err)
	}
	ok(t, w.SetKey(100, "lock", ""))
	current := pvetest.Fault("pvesh-baobab-nodes-baobab-qemu-100-status-current")
	ok(t, w.SetFault(current, `garbage {"status":"stopped","ha":{"managed":1,"state":"started"}}`))
	_, err = r.Do(soon(t), s.Source)
	fails(t, err, "web) on baobab is kept up by the cluster")
	ok(t, w.SetFault(current, ""))
	ok(t, w.SetKey(100, "template", "1"))
	_, err = r.Do(soon(t), s.Source)
	fails(t, err, "web) on baobab is a template")
	ok(t, w.SetKey(100, "template", ""))
	huge := w.backup(t, 100, func(a *guestset.About) { a.Disks[0].Stored = 1 << 60 })
	r.Storage = "local"
	_, err = r.Do(soon(t), huge.Source)
	fails(t, err, "storage local has ", "and the guest needs ")
	r.Storage = ""
	ok(t, w.AddCT(pvetest.CT{ID: 200, Node: "baobab", Name: "dns"}))
	r.ID = 200
	_, err = r.Do(soon(t), s.Source)
	fails(t, err, "ct 200 (dns) on baobab is no vm")
	if w.key(t, 200, "hostname") != "dns" || w.has(t, 200) != "baobab" {
		t.Error("the container was touched")
	}
	if got := w.disk(t, 100, "scsi0"); string(got) != "work of today" {
		t.Fatalf("the guest was touched: %d bytes", len(got))
	}
	r.ID = 0
	_, err = r.Do(soon(t), s.Source)
	ok(t, err)
	if !bytes.Equal(w.disk(t, 100, "scsi0"), want) {
		t.Error("the disk differs")
	}
	w.clean(t)
}

// Whatever goes wrong, nothing stands in the cluster that looks like the guest,
// and the number is free again.
func TestRestoreOfWhatIsWrong(t *testing.T) {
	mustrun.Long(t)
	w := start(t)
	ok(t, w.AddVM(web()))
	ok(t, w.AddCT(pvetest.CT{ID: 200, Node: "tapia", Name: "dns", Files: map[string]string{"srv/zone": string(noise(600<<10, 9))}}))
	stranger, err := age.GenerateX25519Identity()
	ok(t, err)
	half := func(b []byte) []byte { return b[:len(b)/2] }
	bit := func(b []byte) []byte { b[len(b)-100] ^= 1; return b }
	for name, tt := range map[string]struct {
		id     int
		change func(*guestset.About)
		damage func([]byte) []byte
		keys   []age.Identity
		fault  string
		node   string
		on     string // storage
		want   string
		other  bool
	}{
		"torn":                           {id: 100, damage: half, want: "torn", other: true},
		"a changed bit at the end":       {id: 100, damage: bit, want: "altered", other: true},
		"a container torn":               {id: 200, damage: half, want: "torn", other: true},
		"a container with a changed bit": {id: 200, damage: bit, want: "altered", other: true},
		"another disk":                   {id: 100, change: func(a *guestset.About) { a.Disks[1].Digest = vma.Digest{} }, want: "disk scsi1: is not what was backed up", other: true},
		"another content":                {id: 200, change: func(a *guestset.About) { a.Tar.Digest = "else" }, want: "is not what was backed up", other: true},
		"a stranger's key":               {id: 100, keys: []age.Identity{stranger}, want: "none of the private keys"},
		"the storage is full":            {id: 100, fault: "qmrestore-baobab fail after 2000000", want: "guest 300"},
		"qmrestore dies":                 {id: 100, fault: "qmrestore-baobab die after 2000000", want: "guest 300"},
		"pct dies":                       {id: 200, fault: "pct-tapia die after 100000", want: "guest 300"},
		"no such storage":                {id: 100, on: "nowhere", want: "storage nowhere is not there"},
		"no such node":                   {id: 100, node: "nosuch", want: "nosuch"},
	} {
		t.Run(name, func(t *testing.T) {
			s := w.backup(t, tt.id, tt.change)
			if tt.damage != nil {
				s.damage(t, tt.damage)
			}
			if tt.keys != nil {
				s.Keys = tt.keys
			}
			if fault, line, ok2 := strings.Cut(tt.fault, " "); ok2 {
				ok(t, w.SetFault(pvetest.Fault(fault), line))
				defer func() { ok(t, w.SetFault(pvetest.Fault(fault), "")) }()
			}
			r := w.restore()
			r.ID, r.Node, r.Storage, r.Start = 300, tt.node, tt.on, true
			done, err := r.Do(soon(t), s.Source)
			fails(t, err, tt.want)
			if errors.Is(err, guestrestore.ErrSource) != tt.other || done.Started {
				t.Errorf("another copy: %v", err)
			}
			w.clean(t, 300)
		})
	}
}

// A restore that fails takes away what it has made, and no disk that had the
// number before: it may be the last that is left of a guest.
func TestRestoreBesideDisksOfTheNumber(t *testing.T) {
	w := start(t)
	ok(t, w.AddVM(web()))
	s := w.backup(t, 100, nil)
	images := filepath.Join(w.Dir, "nodes", "baobab", "var/lib/vz/images/300")
	before := filepath.Join(images, "vm-300-disk-7.raw")
	ok(t, os.MkdirAll(images, 0o755))
	ok(t, os.WriteFile(before, []byte("the last of it"), 0o600))
	r := w.restore()
	r.ID, r.Storage = 300, "local"
	ok(t, w.SetFault("qmrestore-baobab", "fail after 2000000"))
	_, err := r.Do(soon(t), s.Source)
	fails(t, err, "guest 300")
	ok(t, w.Quiet(10*time.Second))
	if !strings.Contains(w.said.String(), "there is no guest 300, and yet its disks local:300/vm-300-disk-7.raw: they stay") {
		t.Errorf("nothing tells of it: %s", w.said)
	}
	if left, err := os.ReadDir(images); err != nil || len(left) != 1 || w.has(t, 300) != "" {
		t.Errorf("%v, %v; 300 is on %q", left, err, w.has(t, 300))
	}
	if b, err := os.ReadFile(before); err != nil || string(b) != "the last of it" {
		t.Errorf("the disk that was there before: %q, %v", b, err)
	}
}

// A guest that was to be replaced, and was not touched before the restore
// failed, is not what the restore has made: it stays.
func TestReplaceThatFailsBeforeAnything(t *testing.T) {
	w := start(t)
	vm := web()
	vm.Running = false
	ok(t, w.AddVM(vm))
	s := w.backup(t, 100, nil)
	want := w.disk(t, 100, "scsi0")
	program := filepath.Join(w.NodeDir("baobab"), "bin", "qmrestore")
	ok(t, os.Remove(program))
	ok(t, os.WriteFile(program, []byte("#!/bin/sh\necho restore vma archive: all of it\ncat >/dev/null\nexit 255\n"), 0o755))
	r := w.restore()
	r.Replace = true
	_, err := r.Do(soon(t), s.Source)
	fails(t, err, "guest 100")
	if w.has(t, 100) != "baobab" || !bytes.Equal(w.disk(t, 100, "scsi0"), want) {
		t.Errorf("the guest that was there is gone, or another: %v", err)
	}
}

// What ends well before it has read all of the archive has not restored it.
func TestRestoreThatEndsTooSoon(t *testing.T) {
	w := start(t)
	ok(t, w.AddVM(web()))
	s := w.backup(t, 100, nil)
	program := filepath.Join(w.NodeDir("baobab"), "bin", "qmrestore")
	ok(t, os.Remove(program))
	ok(t, os.WriteFile(program, []byte("#!/bin/sh\necho restore vma archive: all of it\nhead -c 100000 >/dev/null\n"), 0o755))
	r := w.restore()
	r.ID, r.Start = 300, true
	done, err := r.Do(soon(t), s.Source)
	fails(t, err, "guest 300 on baobab: ended well before all of the archive was read")
	if done.Started {
		t.Error("it was started")
	}
	w.clean(t, 300)
}

// Two runs do not make one guest, and the second leaves the note of the first.
func TestRestoreOfWhatIsBeingRestored(t *testing.T) {
	w := start(t)
	ok(t, w.AddVM(web()))
	s := w.backup(t, 100, nil)
	ok(t, os.MkdirAll(string(w.memory), 0o700))
	note := filepath.Join(string(w.memory), "restoring-300.json")
	ok(t, os.WriteFile(note, []byte("of the first"), 0o600))
	first, err := os.Open(note)
	ok(t, err)
	defer first.Close()
	ok(t, unix.Flock(int(first.Fd()), unix.LOCK_EX))
	r := w.restore()
	r.ID = 300
	_, err = r.Do(soon(t), s.Source)
	fails(t, err, "guest 300: another run is restoring it")
	if b, err := os.ReadFile(note); err != nil || string(b) != "of the first" || w.has(t, 300) != "" {
		t.Errorf("the note holds %q, %v; 300 is on %q", b, err, w.has(t, 300))
	}
}

// Somebody takes the number while the restore begins: what they made stays.
func TestRestoreWhereSomebodyIsFaster(t *testing.T) {
	w := start(t)
	ok(t, w.AddVM(web()))
	s := w.backup(t, 100, nil)
	r := w.restore()
	r.ID = 300
	r.Agree = func(guestrestore.Plan) error {
		return w.AddVM(pvetest.VM{ID: 300, Node: "tapia", Name: "faster"})
	}
	_, err := r.Do(soon(t), s.Source)
	if !errors.Is(err, pve.ErrTaken) {
		t.Error(err)
	}
	if w.has(t, 300) != "tapia" || w.key(t, 300, "name") != "faster" {
		t.Errorf("300 is %q on %q", w.key(t, 300, "name"), w.has(t, 300))
	}
	w.clean(t)
}

// Somebody who interrupts gets the number back.
func TestRestoreInterrupted(t *testing.T) {
	w := start(t)
	ok(t, w.AddVM(web()))
	s := w.backup(t, 100, nil)
	slow := &dawdling{Source: s.Source, begun: make(chan struct{})}
	ctx, stop := context.WithCancelCause(soon(t))
	why := errors.New("interrupted")
	go func() {
		<-slow.begun
		stop(why)
	}()
	r := w.restore()
	r.ID = 300
	_, err := r.Do(ctx, slow.source())
	if !errors.Is(err, why) || errors.Is(err, guestrestore.ErrSource) {
		t.Error(err)
	}
	calls, err := w.Calls()
	ok(t, err)
	if !slices.ContainsFunc(calls, func(c string) bool { return strings.Contains(c, "qmrestore - 300") }) {
		t.Error("it was not interrupted in its midst")
	}
	w.clean(t, 300)
}

// A store may be as slow as it likes: qmrestore, which waits for the head of an
// archive for a minute only, begins when the head is here.
func TestRestoreFromASlowStore(t *testing.T) {
	w := start(t)
	ok(t, w.AddVM(web()))
	s := w.backup(t, 100, nil)
	// A minute of the fakes is three seconds.
	s.Folder = &late{s.Folder, s.Subject.String(), 4 * time.Second}
	r := w.restore()
	r.ID = 300
	_, err := r.Do(soon(t), s.Source)
	ok(t, err)
	if !bytes.Equal(w.disk(t, 300, "scsi0"), w.disk(t, 100, "scsi0")) {
		t.Error("the disk differs")
	}
}

// What is no archive at all is refused before anything begins in the cluster.
func TestRestoreOfGarbage(t *testing.T) {
	w := start(t)
	ok(t, w.AddVM(web()))
	plain, _ := machine(t)
	s := backedUp(t, vm, plain, nil)
	garbage := backedUp(t, guestset.Subject{Kind: guestset.Node, Name: "x"}, archived(t, [][2]string{{"x", string(noise(3<<20, 5))}, {nodetar.Report, ""}}), nil)
	a, err := garbage.Artifact()
	ok(t, err)
	good, err := s.Artifact()
	ok(t, err)
	a.Asset, a.Kind, a.Name = good.Asset, good.Kind, good.Name
	s.damage(t, func([]byte) []byte {
		b, err := os.ReadFile(filepath.Join(garbage.dir, "node-x-20261121T020000Z.tar.zst.age"))
		ok(t, err)
		return b
	})
	s.Set.Artifacts[0] = a
	s.Keys = append(s.Keys, garbage.key)
	r := w.restore()
	r.ID, r.Storage = 300, "local"
	_, err = r.Do(soon(t), s.Source)
	fails(t, err, "vm-100-20261121T020000Z.vma.zst.age")
	calls, err := w.Calls()
	ok(t, err)
	if slices.ContainsFunc(calls, func(c string) bool { return strings.Contains(c, "qmrestore") }) {
		t.Error("qmrestore was started")
	}
	w.clean(t, 300)
}
