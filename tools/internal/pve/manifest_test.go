package pve

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestInventoryIsReadBack(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "backups")
	if _, err := Latest(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no folder: %v", err)
	}
	inv := join([]*view{viewOf(t, "vm", "qemu")})
	for i := range inv.Nodes {
		inv.Nodes[i].Err = nil // not kept
	}
	for _, day := range []int{21, 20} {
		inv.Time = time.Date(2026, 11, day, 2, 0, 0, 0, time.UTC)
		path, err := inv.Save(dir)
		if want := "manifest-202611" + inv.Time.Format("02") + "T020000Z.json"; err != nil || filepath.Base(path) != want {
			t.Errorf("%s, %v, want %s", path, err, want)
		}
	}
	for _, stranger := range []string{"manifest-9.json", "manifest-99999999T999999Z.json.draft", "zzz"} {
		if err := os.WriteFile(filepath.Join(dir, stranger), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := Latest(dir)
	inv.Time = time.Date(2026, 11, 21, 2, 0, 0, 0, time.UTC)
	if err != nil || !reflect.DeepEqual(got, inv) {
		t.Errorf("%+v, %v\nwant %+v", got, err, inv)
	}
	for text, want := range map[string]string{"{": "unexpected end", `{"format":2}`: "a newer version wrote it"} {
		path := filepath.Join(dir, "manifest-20270101T000000Z.json")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Latest(dir); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestDiff(t *testing.T) {
	base := func() *Inventory { return join(three(func(_, _, _ *view) {})) }
	disk := Disk{Key: "scsi0", Volume: "a:1", Size: 1 << 30, InBackup: true}
	for name, c := range map[string]struct {
		old, new func(*Inventory)
		want     string
	}{
		"nothing": {want: ""},
		"a new one": {new: func(i *Inventory) {
			i.Guests = append(i.Guests, Guest{ID: 200, Type: CT, Name: "x", Node: "tapia", Disks: []Disk{{Key: "mp0", Why: "a folder"}}})
		}, want: "guest 200: new: ct x on tapia; guest 200: mp0 is in no backup: a folder"},
		"gone":     {new: func(i *Inventory) { i.Guests = i.Guests[1:] }, want: "guest 100: gone (was vm x on baobab)"},
		"not seen": {new: func(i *Inventory) { i.Guests, i.Partial = i.Guests[1:], true }, want: "guest 100: not seen (vm x on baobab), and not all nodes could be asked"},
		"moved":    {new: func(i *Inventory) { i.Guests[0].Node = "tapia" }, want: "guest 100: moved from baobab to tapia"},
		"started":  {new: func(i *Inventory) { i.Guests[0].Status = Stopped }, want: ""},
		"hearsay":  {new: func(i *Inventory) { i.Guests[0].Name, i.Guests[0].Unseen = "", true }, want: ""},
		"fields": {new: func(i *Inventory) {
			g := &i.Guests[0]
			g.Name, g.Pool, g.Tags, g.Lock, g.Template = "y", "p", []string{"a"}, "backup", true
		}, want: "guest 100: name: y, before x; guest 100: pool: p, before none; guest 100: tags: a, before none; guest 100: lock: backup, before none; guest 100: template: yes, before no"},
		"disks": {
			old: func(i *Inventory) { i.Guests[0].Disks = []Disk{disk, {Key: "scsi1", Volume: "a:2", InBackup: true}} },
			new: func(i *Inventory) {
				d := disk
				d.Size, d.InBackup, d.Why = 2<<30, false, "backup=0"
				i.Guests[0].Disks = []Disk{d}
			},
			want: "guest 100: disk scsi0: 2.0 GiB, before 1.0 GiB; guest 100: disk scsi0 is in no backup any more: backup=0; guest 100: disk scsi1 is gone (was a:2)",
		},
		"a new disk": {new: func(i *Inventory) { i.Guests[0].Disks = []Disk{disk} }, want: "guest 100: new disk scsi0 (a:1, 1.0 GiB)"},
		"a node": {new: func(i *Inventory) {
			i.Nodes[0].Reachable, i.Nodes[0].Why = false, "no answer"
			i.Nodes[1].Version = "9"
		},
			old: func(i *Inventory) { i.Nodes[1].Version = "8"; i.Nodes[2].Reachable = false }, want: "node baobab: cannot be asked: no answer; node ebony: Proxmox VE 9, before 8; node tapia: can be asked again"},
	} {
		t.Run(name, func(t *testing.T) {
			old, new := base(), base()
			if c.old != nil {
				c.old(old)
			}
			if c.new != nil {
				c.new(new)
			}
			var got []string
			for _, change := range Diff(old, new) {
				got = append(got, change.String())
			}
			if s := strings.Join(got, "; "); s != c.want {
				t.Errorf("%s\nwant %s", s, c.want)
			}
		})
	}
	if n := len(Diff(nil, base())); n != 6 {
		t.Errorf("%d changes from nothing", n)
	}
	left := Uncovered(base(), func(g Guest) bool { return g.ID == 101 })
	if len(left) != 2 || left[0].ID != 100 || left[1].ID != 102 {
		t.Errorf("%+v", left)
	}
}
