package pve

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
)

func TestGuestsOfHostileLists(t *testing.T) {
	long := strings.Repeat("ä", 5000)
	for name, c := range map[string]struct {
		json string
		want []Guest
		odd  int
		err  string
	}{
		"numbers as strings": {json: `[{"vmid":"102","type":"qemu","node":"a","template":"1","maxdisk":"5"}]`,
			want: []Guest{{ID: 102, Type: VM, Node: "a", Status: Unknown, Template: true, MaxDisk: 5}}},
		"a number as a fraction": {json: `[{"vmid":102.0,"type":"qemu","node":"a"}]`, want: []Guest{{ID: 102, Type: VM, Node: "a", Status: Unknown}}},
		"names that act": {json: `[{"vmid":102,"type":"lxc","node":"a","name":"$(reboot)'\"\n\u001b[2J","tags":"a;b,c d","pool":7,"lock":null}]`,
			want: []Guest{{ID: 102, Type: CT, Node: "a", Status: Unknown, Name: `$(reboot)'" �[2J`, Tags: []string{"a", "b", "c", "d"}, Pool: "7"}}},
		"a long name": {json: `[{"vmid":102,"type":"qemu","node":"a","name":"` + long + `"}]`,
			want: []Guest{{ID: 102, Type: VM, Node: "a", Status: Unknown, Name: long[:256] + "…"}}},
		"a node that climbs":      {json: `[{"vmid":102,"type":"qemu","node":"../x"}]`, odd: 1},
		"a number out of bounds":  {json: `[{"vmid":99,"type":"qemu","node":"a"},{"vmid":1e30,"node":"a"},{"node":"a"}]`, odd: 3},
		"a type of tomorrow":      {json: `[{"vmid":102,"type":"pod","node":"a"}]`, odd: 1},
		"entries that are none":   {json: `[1,"x",{"vmid":102,"type":"qemu","node":"a","name":{"a":[1]}}]`, odd: 1, want: []Guest{{ID: 102, Type: VM, Node: "a", Status: Unknown}}},
		"an object":               {json: `{}`, err: "no JSON array"},
		"nothing":                 {json: ``, err: "cut short"},
		"cut short":               {json: `[{"vmid":102,"ty`, err: "cut short"},
		"cut after an entry":      {json: `[{"vmid":102,"type":"qemu","node":"a"}`, err: "cut short"},
		"something follows":       {json: `[] []`, err: "follows"},
		"more than anybody has":   {json: "[" + strings.Repeat("{},", entriesMax) + "{}]", err: "more than 20000"},
		"deeper than anybody has": {json: strings.Repeat("[", 20000), err: "JSON"},
	} {
		t.Run(name, func(t *testing.T) {
			got, odd, err := guests([]byte(c.json), "", "")
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Errorf("%v, want %q", err, c.err)
				}
				return
			}
			if err != nil || !reflect.DeepEqual(got, c.want) || len(odd) != c.odd {
				t.Errorf("%+v, odd %q, %v", got, odd, err)
			}
		})
	}
}

func TestDisks(t *testing.T) {
	for name, c := range map[string]struct {
		kind string
		json string
		want string
	}{
		"left out by its options": {VM, `{"scsi0":"a:1,size=64M","scsi1":"a:2,backup=0,size=1G"}`, "scsi0 a:1 67108864; scsi1 a:2 1073741824 backup=0 in its configuration"},
		"media":                   {VM, `{"ide2":"none,media=cdrom","ide0":"a:iso/x.iso,media=cdrom","ide1":"a:vm-1-cloudinit,media=cdrom,size=4M"}`, ""},
		"firmware":                {VM, `{"bios":"ovmf","efidisk0":"a:3,efitype=4m,size=528K","tpmstate0":"a:4,size=4M,version=v2.0"}`, "efidisk0 a:3 540672; tpmstate0 a:4 4194304"},
		"firmware without use":    {VM, `{"efidisk0":"a:3,size=528K"}`, "efidisk0 a:3 540672 vzdump leaves it out unless the BIOS is ovmf"},
		"order, and a named file": {VM, `{"scsi10":"a:1","scsi2":"file=a:2,size=1T","virtio0":"/dev/sdb,size=2.5G"}`, "scsi2 a:2 1099511627776; scsi10 a:1 0; virtio0 /dev/sdb 2684354560"},
		"not attached":            {VM, `{"unused0":"a:9","virtiofs0":"dirid=data,cache=auto"}`, "unused0 a:9 0 not attached to the guest; virtiofs0  0 a folder of the node, and no disk"},
		"no disks at all":         {VM, `{"scsihw":"virtio-scsi-single","scsi":"x","boot":"order=scsi0","net0":"virtio=AA"}`, ""},
		"mount points": {CT, `{"rootfs":"a:1,size=8G","mp0":"a:2,mp=/a,backup=1,size=1G","mp1":"volume=a:3,mp=/b","mp2":"/dev/sdb,mp=/c,backup=1"}`,
			"mp0 a:2 1073741824; mp1 a:3 0 no backup=1 in its configuration; mp2 /dev/sdb 0 a device of the node, and no volume; rootfs a:1 8589934592"},
		"hostile sizes": {VM, `{"scsi0":"a:1,size=99999999999999999999T","scsi1":"a:2,size=-5G","scsi2":"a:3,size=999999999999999T"}`, "scsi0 a:1 0; scsi1 a:2 0; scsi2 a:3 0"},
		"long keys":     {VM, `{"scsi` + strings.Repeat("0", 10000) + `":"a:1"}`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := readSettings([]byte(c.json))
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, d := range s.disks(c.kind) {
				got = append(got, strings.TrimSpace(fmt.Sprintf("%s %s %d %s", d.Key, d.Volume, d.Size, d.Why)))
				if d.InBackup != (d.Why == "") {
					t.Errorf("%+v", d)
				}
			}
			if s := strings.Join(got, "; "); s != c.want {
				t.Errorf("%s\nwant %s", s, c.want)
			}
		})
	}
}

func TestStatusOfTheCluster(t *testing.T) {
	for json, want := range map[string]string{
		`[{"type":"cluster","quorate":0},{"type":"node","name":"a","local":1},{"type":"node","name":"b","local":0}]`: "{self:a quorate:false members:[a b]}",
		`[{"type":"cluster","quorate":"1"},{"type":"node","name":"a","local":"1"}]`:                                  "{self:a quorate:true members:[a]}",
		`[{"type":"node","name":"a","local":0}]`:                                                                     "does not tell which node it is",
		`[{"type":"node","name":"../a","local":1}]`:                                                                  `a node called "../a"`,
		`[{"type":"node","name":"a;b","local":"1"}]`:                                                                 `a node called "a;b"`,
	} {
		m, err := readStatus([]byte(json))
		got := fmt.Sprintf("%+v", m)
		if err != nil {
			got = err.Error()
		}
		if !strings.Contains(got, want) {
			t.Errorf("%s: %s, want %s", json, got, want)
		}
	}
}

func TestPlaces(t *testing.T) {
	for _, text := range []string{"", "{", `{"ids":{"1":{"node":"a","type":"qemu"}}}`, `{"ids":{"100":{"node":"..","type":"qemu"}}}`, `{"ids":{"100":{"node":"a","type":"x"}}}`, `{"ids":[]}`} {
		if got, err := vmlist([]byte(text)); err == nil {
			t.Errorf("%q: %v", text, got)
		}
	}
}

// Nor is more kept than any cluster has, however short each entry is.
func TestMoreThanAnybodyHas(t *testing.T) {
	many := func(n int, entry string) string {
		var b strings.Builder
		for i := range n {
			if i > 0 {
				b.WriteByte(',')
			}
			fmt.Fprintf(&b, entry, 100+i)
		}
		return b.String()
	}
	for n, refused := range map[int]bool{entriesMax: false, entriesMax + 1: true} {
		if _, err := vmlist([]byte(`{"ids":{` + many(n, `"%d":{"node":"a","type":"qemu"}`) + `}}`)); (err != nil) != refused || refused && !strings.Contains(err.Error(), "more than") {
			t.Errorf("%d guests: %v", n, err)
		}
		if _, err := readSettings([]byte(`{` + many(n, `"k%d":1`) + `}`)); (err != nil) != refused || refused && !strings.Contains(err.Error(), "too many") {
			t.Errorf("%d settings: %v", n, err)
		}
	}
	if all := words(text(many(1000, "tag%d"))); len(all) != 100 {
		t.Errorf("%d tags", len(all))
	}
}

// What a node says never makes us fall, and never makes a guest whose parts
// could act.
func FuzzAnswers(f *testing.F) {
	for _, name := range []string{"pvesh-cluster-resources-all", "cat-vmlist", "pvesh-cluster-status", "pvesh-nodes-pve1-lxc", "pvesh-version", "pvesh-nodes-pve1-qemu", "pvesh-nodes-pve1-storage"} {
		f.Add(recorded(f, name+".stdout"))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		all, _, _ := guests(b, VM, "a")
		for _, g := range all {
			if !validID(g.ID) || !validNode(g.Node) || len(g.Name) > wordMax+3 || strings.ContainsFunc(g.Name+g.Pool+g.Lock+strings.Join(g.Tags, ""), func(r rune) bool { return r < ' ' || r == 0x7f }) {
				t.Errorf("%+v", g)
			}
		}
		places, _ := vmlist(b)
		for _, p := range places {
			if !validID(p.ID) || !validNode(p.Node) {
				t.Errorf("%+v", p)
			}
		}
		if m, err := readStatus(b); err == nil && !validNode(m.self) {
			t.Errorf("%+v", m)
		}
		_, _ = version(b)
		known, _ := storages(b)
		for _, s := range known {
			if !validStorage(s.Name) || s.Free < 0 || s.Total < 0 {
				t.Errorf("%+v", s)
			}
		}
	})
}

func FuzzSettings(f *testing.F) {
	f.Add(recorded(f, "pvesh-nodes-pve1-qemu-100-config.stdout"))
	f.Add(recorded(f, "pvesh-nodes-pve1-lxc-200-config.stdout"))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := readSettings(b)
		if err != nil {
			return
		}
		for _, kind := range []string{VM, CT} {
			g := Guest{ID: 100, Type: kind}
			s.apply(&g)
			for _, d := range g.Disks {
				if d.Size < 0 || d.InBackup != (d.Why == "") || len(d.Key) > 16 || len(d.Volume) > wordMax+3 {
					t.Errorf("%+v", d)
				}
			}
		}
	})
}
