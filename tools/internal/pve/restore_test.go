package pve

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/railiance/railiance/tools/internal/pvetest"
)

// dumped is the dump of a guest.
func dumped(t *testing.T, c *Cluster, id int) []byte {
	t.Helper()
	g, err := c.Locate(soon(t), id)
	ok(t, err)
	var b bytes.Buffer
	_, err = c.Dump(soon(t), g, DumpOptions{}, &b)
	ok(t, err)
	return b.Bytes()
}

func there(t *testing.T, w *pvetest.World, id int) bool {
	t.Helper()
	_, is, err := w.Has(id)
	ok(t, err)
	return is
}

func TestRestoreVM(t *testing.T) {
	w, c := world(t)
	ok(t, w.AddVM(pvetest.VM{
		ID: 100, Node: "baobab", Name: "web", Net: true, Agent: true, Running: true, Tags: []string{"prod"},
		Keys:  map[string]string{"protection": "1", "net1": "e1000=BC:24:11:00:00:99,bridge=vmbr1,link_down=0,tag=5"},
		Disks: []pvetest.Disk{{Key: "scsi0", Size: 8 << 20, Random: 3 << 20, Text: 1 << 20}},
	}))
	archive := dumped(t, c, 100)
	id, err := c.FreeID(soon(t), 100, 999)
	if err != nil || id != 101 {
		t.Fatal(id, err)
	}
	made, log, err := c.RestoreVM(soon(t), Restore{Node: "tapia", ID: id, Storage: "local", Unique: true}, bytes.NewReader(archive))
	ok(t, err)
	if !strings.Contains(log, "progress 100%") {
		t.Errorf("log:\n%s", log)
	}
	g, err := c.Guest(soon(t), *made)
	ok(t, err)
	if g.Name != "web" || g.Status != Stopped || len(g.Disks) != 1 {
		t.Errorf("%+v", g)
	}

	original, err := w.DiskPath(100, "scsi0")
	ok(t, err)
	want, err := os.ReadFile(original)
	ok(t, err)
	sum := sha256.New()
	n, err := c.ReadDisk(soon(t), g, "scsi0", sum)
	if other := sha256.Sum256(want); err != nil || n != int64(len(want)) || !bytes.Equal(sum.Sum(nil), other[:]) {
		t.Errorf("the disk differs: %d bytes, %v", n, err)
	}
	if _, err := c.ReadDisk(soon(t), g, "scsi7", io.Discard); err == nil {
		t.Error("a disk was read that is not there")
	}

	ok(t, c.SetLinkDown(soon(t), g))
	for _, key := range []string{"net0", "net1"} {
		value, err := w.Key(id, key)
		ok(t, err)
		if !strings.HasSuffix(value, ",link_down=1") || strings.Contains(value, "link_down=0") || !strings.Contains(value, "bridge=vmbr") {
			t.Errorf("%s is %q", key, value)
		}
	}
	ok(t, c.Mark(soon(t), *made))
	ok(t, c.Mark(soon(t), *made))
	if tags, err := w.Key(id, "tags"); tags != "prod;"+DrillTag || err != nil {
		t.Errorf("tags %q, %v", tags, err)
	}
	ok(t, w.SetFault("agent-101", "never"))
	ok(t, c.Start(soon(t), g))
	if err := c.AgentPing(soon(t), g); err == nil {
		t.Error("it does not answer, and did")
	}
	ok(t, w.SetFault("agent-101", ""))
	ok(t, c.AgentPing(soon(t), g))
	if s, err := c.Status(soon(t), g); s != Running || err != nil {
		t.Errorf("%s, %v", s, err)
	}
	// Running and protected; and by another process, which has it from a note.
	ok(t, c.Destroy(soon(t), Made{ID: made.ID, Type: made.Type, Node: made.Node}))
	if there(t, w, id) {
		t.Error("it is still there")
	}
	ok(t, c.Destroy(soon(t), *made))
	if !there(t, w, 100) {
		t.Error("the original is gone")
	}
}

func TestRestoreCT(t *testing.T) {
	w, c := world(t)
	ok(t, w.AddCT(pvetest.CT{ID: 200, Node: "ebony", Name: "db", Files: map[string]string{"srv/a": strings.Repeat("x", 300_000)}, Mounts: []pvetest.Mount{{Key: "mp0", Path: "/data", Backup: true}}}))
	archive := dumped(t, c, 200)
	o := Restore{Node: "baobab", ID: 201, Storage: "local-lvm", RootfsGiB: 1, Unprivileged: true, Mounts: []Mount{{Key: "mp0", Storage: "local", GiB: 1, Options: "mp=/data,backup=1"}}}
	made, _, err := c.RestoreCT(soon(t), o, bytes.NewReader(archive))
	ok(t, err)
	g, err := c.Guest(soon(t), *made)
	ok(t, err)
	if unprivileged, _ := w.Key(201, "unprivileged"); unprivileged != "1" || g.Name != "db" || len(g.Disks) != 2 || len(g.LeftOut()) != 0 {
		t.Errorf("unprivileged %q, %+v", unprivileged, g)
	}
	for _, d := range g.Disks {
		if want := map[string]string{"rootfs": "local-lvm:", "mp0": "local:"}[d.Key]; !strings.HasPrefix(d.Volume, want) {
			t.Errorf("%s is %s, not on %s", d.Key, d.Volume, want)
		}
	}
	root, err := w.Rootfs(201)
	ok(t, err)
	if b, err := os.ReadFile(root + "/srv/a"); len(b) != 300_000 {
		t.Errorf("%d bytes, %v", len(b), err)
	}
	ok(t, c.Start(soon(t), g))
	ok(t, c.AgentPing(soon(t), g))
	ok(t, c.Destroy(soon(t), *made))
	if there(t, w, 201) {
		t.Error("it is still there")
	}

	// pct takes a tar that ends too early for whole; we do not.
	torn := errors.New("torn")
	made, _, err = c.RestoreCT(soon(t), o, io.MultiReader(bytes.NewReader(archive[:200*512]), iotest.ErrReader(torn)))
	if !errors.Is(err, torn) || made == nil {
		t.Errorf("%v, made %v", err, made)
	}
	ok(t, c.Destroy(soon(t), *made))
	if there(t, w, 201) {
		t.Error("it is still there")
	}
	for name, bad := range map[string]Restore{
		"no size":   {Node: "baobab", ID: 201, Storage: "local"},
		"a mount":   {Node: "baobab", ID: 201, Storage: "local", RootfsGiB: 1, Mounts: []Mount{{Key: "rootfs", GiB: 1}}},
		"a storage": {Node: "baobab", ID: 201, Storage: "local", RootfsGiB: 1, Mounts: []Mount{{Key: "mp0", Storage: "-x", GiB: 1, Options: "mp=/a"}}},
		"an option": {Node: "baobab", ID: 201, Storage: "local", RootfsGiB: 1, Mounts: []Mount{{Key: "mp0", GiB: 1, Options: "mp=/a\n"}}},
	} {
		if made, _, err := c.RestoreCT(soon(t), bad, bytes.NewReader(archive)); err == nil || made != nil {
			t.Errorf("%s: %v, made %v", name, err, made)
		}
	}
}

func TestRestoreThatFails(t *testing.T) {
	w, c := world(t)
	ok(t, w.AddVM(pvetest.VM{ID: 100, Node: "baobab", Name: "web", Disks: []pvetest.Disk{{Key: "scsi0", Size: 16 << 20, Random: 12 << 20}}}))
	archive := dumped(t, c, 100)
	half := func() io.Reader { return bytes.NewReader(archive[:len(archive)/2]) }
	torn := errors.New("the store is gone")
	for name, f := range map[string]struct {
		id      int
		node    string
		storage string
		fault   string
		archive io.Reader
		want    string
		made    bool
		before  bool // nothing reaches the node
	}{
		"taken":            {id: 100, node: "tapia", want: "the number is taken: by a guest on baobab", before: true},
		"no number":        {id: 99, want: "numbers from 100", before: true},
		"no storage":       {storage: "$(id)", want: "no storage", before: true},
		"unknown storage":  {storage: "nosuch", want: "storage 'nosuch' does not exist", made: true},
		"no node":          {node: "ravinala", want: "no node", before: true},
		"nothing":          {archive: strings.NewReader(""), want: "unexpected EOF", before: true},
		"ends in its head": {archive: io.MultiReader(bytes.NewReader(archive[:4<<10]), iotest.ErrReader(torn)), want: "the store is gone", before: true},
		"never begins":     {archive: iotest.ErrReader(torn), want: "the store is gone", before: true},
		"cut off":          {archive: half(), want: "exit status 255", made: true},
		"fails on the way": {archive: io.MultiReader(half(), iotest.ErrReader(torn)), want: "the store is gone", made: true},
		"disk full":        {fault: "fail after 5000000", want: "exit status 255", made: true},
		"killed":           {fault: "die after 5000000", want: "qmrestore", made: true},
		"no archive":       {archive: bytes.NewReader(make([]byte, 100_000)), want: "corrupted", made: true},
	} {
		t.Run(name, func(t *testing.T) {
			o := Restore{Node: "tapia", ID: 300, Storage: "local"}
			if f.id != 0 {
				o.ID = f.id
			}
			if f.node != "" {
				o.Node = f.node
			}
			if f.storage != "" {
				o.Storage = f.storage
			}
			if f.archive == nil {
				f.archive = bytes.NewReader(archive)
			}
			ok(t, w.SetFault("qmrestore-tapia", f.fault))
			calls, err := w.Calls()
			ok(t, err)
			made, _, err := c.RestoreVM(soon(t), o, f.archive)
			if err == nil || !strings.Contains(err.Error(), f.want) || (made != nil) != f.made {
				t.Errorf("%v, made %v", err, made)
			}
			after, err := w.Calls()
			ok(t, err)
			if reached := slices.ContainsFunc(after[len(calls):], func(s string) bool { return strings.Contains(s, "qmrestore") }); reached == f.before {
				t.Errorf("qmrestore was started: %v", reached)
			}
			if made != nil {
				ok(t, c.Destroy(soon(t), *made))
			}
			if there(t, w, 300) || !there(t, w, 100) {
				t.Error("a stub is left, or the original is gone")
			}
		})
	}
}

// Stopped on the way, the node is left to clean up, and nothing stays.
func TestRestoreThatIsStopped(t *testing.T) {
	w, c := world(t)
	ok(t, w.AddVM(pvetest.VM{ID: 100, Node: "baobab", Name: "web", Disks: []pvetest.Disk{{Key: "scsi0", Size: 16 << 20, Random: 12 << 20}}}))
	archive := dumped(t, c, 100)
	for name, stop := range map[string]func(context.CancelFunc) error{
		"by us":          func(cancel context.CancelFunc) error { cancel(); return nil },
		"by the network": func(context.CancelFunc) error { return w.CutConnections("tapia") },
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(soon(t))
			defer cancel()
			out, in := io.Pipe()
			defer context.AfterFunc(ctx, func() { _ = in.CloseWithError(context.Cause(ctx)) })()
			go func() {
				_, _ = in.Write(archive[:len(archive)/2])
				_ = stop(cancel)
				time.Sleep(time.Second)
				_ = in.CloseWithError(errors.New("the rest never comes"))
			}()
			made, _, err := c.RestoreVM(ctx, Restore{Node: "tapia", ID: 300, Storage: "local"}, out)
			if err == nil || made == nil {
				t.Fatalf("%v, made %v", err, made)
			}
			ok(t, w.Quiet(10*time.Second))
			ok(t, c.Destroy(soon(t), *made))
			if there(t, w, 300) {
				t.Error("a stub is left")
			}
		})
	}
}

// What a note says is destroyed only where it looks like ours.
func TestDestroyOfSomebodyElses(t *testing.T) {
	w, c := world(t)
	ok(t, w.AddVM(pvetest.VM{ID: 100, Node: "baobab", Name: "web"}))
	ok(t, w.AddVM(pvetest.VM{ID: 101, Node: "baobab", Lock: "create", Memory: 128}))
	ok(t, w.SetKey(101, "ostype", ""))
	ok(t, w.AddVM(pvetest.VM{ID: 102, Node: "baobab", Lock: "backup", Memory: 128}))
	ok(t, w.SetKey(102, "ostype", ""))
	for _, id := range []int{100, 102} {
		if err := c.Destroy(soon(t), Made{ID: id, Type: VM, Node: "baobab"}); err == nil || !strings.Contains(err.Error(), "it is not touched") || !there(t, w, id) {
			t.Errorf("%d: %v", id, err)
		}
	}
	ok(t, c.Destroy(soon(t), Made{ID: 101, Type: VM, Node: "baobab"}))
	if there(t, w, 101) {
		t.Error("the stub is still there")
	}
}

// That a destroyed guest is gone is seen, and not believed.
func TestDestroyThatIsNone(t *testing.T) {
	w, c := world(t)
	ok(t, w.AddVM(pvetest.VM{ID: 300, Node: "baobab", Name: "drilled", Tags: []string{DrillTag}}))
	qm := filepath.Join(w.NodeDir("baobab"), "bin", "qm")
	real, err := os.Readlink(qm)
	ok(t, err)
	ok(t, os.Remove(qm))
	ok(t, os.WriteFile(qm, []byte("#!/bin/bash\n[ \"$1\" = destroy ] || exec -a qm '"+real+"' \"$@\"\n"), 0o755))
	err = c.Destroy(soon(t), Made{ID: 300, Type: VM, Node: "baobab"})
	if err == nil || !strings.Contains(err.Error(), "guest 300 on baobab: was destroyed, and is still there") || !there(t, w, 300) {
		t.Error(err)
	}
}

func TestStorages(t *testing.T) {
	all, err := storages(recorded(t, "pvesh-nodes-pve1-storage.stdout"))
	ok(t, err)
	if len(all) != 1 || all[0].Name != "local" || all[0].Free != 47628636160 || !all[0].Active || !slices.Contains(all[0].Content, "images") {
		t.Errorf("%+v", all)
	}
	_, c := world(t)
	all, err = c.Storages(soon(t), "ebony")
	ok(t, err)
	if len(all) != 3 {
		t.Errorf("%+v", all)
	}
	if _, err := c.FreeID(soon(t), 100, 99); err == nil {
		t.Error("a number from an empty range")
	}
}

// The recorded ends of restores.
func TestRecordedRestores(t *testing.T) {
	for name, sent := range map[string]int64{"250-ok": 522240, "252-unprivileged-not-given": 522240, "253-privileged-archive": 522240, "255-truncated": 200000} {
		if err := allRead(string(recorded(t, "pct-restore-"+name+".stdout")), sent); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, log := range []string{"", "Total bytes read: 522240 (510KiB, 1MiB/s)\n"} {
		if err := allRead(log, 522241); err == nil {
			t.Errorf("%q was taken", log)
		}
	}
}
