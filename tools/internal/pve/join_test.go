package pve

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func TestJoinOfTheRecordedNode(t *testing.T) {
	inv := join([]*view{viewOf(t, "vm", "qemu")})
	var ids []int
	for _, g := range inv.Guests {
		ids = append(ids, g.ID)
	}
	if want := []int{100, 101, 102, 103, 200, 201, 300, 1000}; !reflect.DeepEqual(ids, want) {
		t.Fatalf("guests %v, want %v", ids, want)
	}
	web := guestOf(t, inv, 100)
	want := Guest{
		ID: 100, Type: VM, Node: "pve1", Name: "web-01", Status: Running, Pool: "production", Tags: []string{"prod", "web"}, MaxDisk: 64 << 20, Identity: "uuid-7ed68399d56e5b90",
		Disks: []Disk{
			{Key: "scsi0", Volume: "local:100/vm-100-disk-0.raw", Size: 64 << 20, InBackup: true},
			{Key: "scsi1", Volume: "local:100/vm-100-disk-1.raw", Size: 10252 << 10, InBackup: true},
		},
	}
	if !reflect.DeepEqual(web, want) {
		t.Errorf("100 is %+v\nwant %+v", web, want)
	}
	if g := guestOf(t, inv, 101); g.Lock != "backup" || len(g.Leftover) != 1 || !strings.Contains(g.Leftover[0], "qm unlock 101") {
		t.Errorf("101 is %+v", g)
	}
	if g := guestOf(t, inv, 102); g.Name != "" {
		t.Errorf("102 has no name, and is called %q", g.Name)
	}
	if g := guestOf(t, inv, 103); !g.Template {
		t.Error("103 is a template")
	}
	ct := guestOf(t, inv, 200)
	if ct.Type != CT || ct.Name != "ct-unpriv" || !reflect.DeepEqual(ct.LeftOut(), []Disk{
		{Key: "mp0", Volume: "local:200/vm-200-disk-1.raw", Size: 1 << 30, Why: "no backup=1 in its configuration"},
		{Key: "mp1", Volume: "/mnt/host", Why: "a folder of the node, and no volume"},
	}) {
		t.Errorf("200 is %+v", ct)
	}
	// pve2 is off, and the context does not have it.
	if g := guestOf(t, inv, 300); !g.Unseen || g.Status != Unknown || g.Node != "pve2" {
		t.Errorf("300 is %+v", g)
	}
	if !inv.Partial || len(inv.Nodes) != 2 || inv.Nodes[1].Name != "pve2" || inv.Nodes[1].Reachable {
		t.Errorf("partial %v, nodes %+v", inv.Partial, inv.Nodes)
	}
	if len(inv.Conflicts) > 0 {
		t.Errorf("conflicts %q", inv.Conflicts)
	}
}

// A node's list calls a paused guest running, and a cluster without pvestatd
// knows nothing: a template looks like a machine then.
func TestJoinSettlesWhatIsTold(t *testing.T) {
	inv := join([]*view{viewOf(t, "vm-paused", "qemu-paused")})
	if g := guestOf(t, inv, 100); g.Status != Paused {
		t.Errorf("100 is %s", g.Status)
	}
	mustTell(t, inv, "guest 100: its node says running, the cluster paused")

	inv = join([]*view{viewOf(t, "vm-unknown", "qemu")})
	if g := guestOf(t, inv, 100); g.Status != Running || g.Name != "web-01" || g.Pool != "production" {
		t.Errorf("100 is %+v", g)
	}
	if g := guestOf(t, inv, 103); !g.Template {
		t.Error("103 is a template")
	}
	mustTell(t, inv, "guest 100: running, of which the cluster knows nothing: is pvestatd running")
}

func mustTell(t *testing.T, inv *Inventory, want string) {
	t.Helper()
	if !slices.ContainsFunc(inv.Conflicts, func(c string) bool { return strings.Contains(c, want) }) {
		t.Errorf("nothing tells %q; told is %q", want, inv.Conflicts)
	}
}

// three nodes; only what a case changes differs.
func three(change func(a, b, c *view)) []*view {
	nodes := []string{"baobab", "ebony", "tapia"}
	var all []*view
	for i, node := range nodes {
		v := &view{node: node, status: membership{self: node, quorate: true, members: nodes}, settings: map[int]settings{}}
		for j, n := range nodes {
			g := Guest{ID: 100 + j, Type: VM, Node: n, Status: Running}
			v.cluster = append(v.cluster, g)
			v.places = append(v.places, place{g.ID, n, VM})
			if i == j {
				v.own, v.settings[g.ID] = []Guest{g}, settings{"name": "x"}
			}
		}
		all = append(all, v)
	}
	change(all[0], all[1], all[2])
	return all
}

func TestJoinOfThreeNodes(t *testing.T) {
	for name, c := range map[string]struct {
		change  func(a, b, c *view)
		id      int
		node    string
		unseen  bool
		partial bool
		told    string
	}{
		"all agree": {change: func(_, _, _ *view) {}, id: 101, node: "ebony"},
		"one cannot be asked": {
			change: func(_, b, _ *view) { *b = view{node: b.node, err: errors.New("ebony: not let in")} },
			id:     101, node: "ebony", unseen: true, partial: true,
		},
		"moved meanwhile": {
			change: func(a, b, c *view) { c.own, b.own = append(c.own, b.own...), nil; c.settings[101] = settings{} },
			id:     101, node: "tapia", told: "guest 101: taken to be qemu on tapia (says tapia); but also qemu on ebony",
		},
		"without quorum": {
			change: func(a, _, _ *view) { a.status.quorate = false; a.cluster[1].Node = "tapia" },
			id:     101, node: "ebony", told: "node baobab: has no quorum",
		},
		"only in the list of files": {
			change: func(a, _, _ *view) { a.places = append(a.places, place{150, "tapia", CT}) },
			id:     150, node: "tapia", unseen: true, told: "guest 150: should be on tapia, which does not list it",
		},
		"only its node has it": {
			change: func(_, _, c *view) {
				c.own = append(c.own, Guest{ID: 160, Type: VM, Node: "tapia"})
				c.settings[160] = settings{}
			},
			id: 160, node: "tapia", told: "guest 160: only its node tapia lists it",
		},
		"its configuration is not told": {
			change: func(a, _, _ *view) { a.settings, a.troubles = nil, []string{"guest 100: configuration: cut short"} },
			id:     100, node: "baobab", unseen: true, partial: true, told: "node baobab: guest 100: configuration",
		},
		"a node that the context lacks": {
			change: func(a, _, _ *view) { a.status.members = append(a.status.members, "ravinala") },
			id:     100, node: "baobab", partial: true,
		},
		"the same number twice": {
			change: func(_, _, c *view) {
				c.own = append(c.own, Guest{ID: 100, Type: CT, Node: "tapia"})
			},
			id: 100, node: "baobab", told: "but also lxc on tapia (says tapia)",
		},
	} {
		t.Run(name, func(t *testing.T) {
			inv := join(three(c.change))
			g := guestOf(t, inv, c.id)
			if g.Node != c.node || g.Unseen != c.unseen || inv.Partial != c.partial {
				t.Errorf("%+v, partial %v", g, inv.Partial)
			}
			if c.told != "" {
				mustTell(t, inv, c.told)
			} else if len(inv.Conflicts) > 0 {
				t.Errorf("told %q", inv.Conflicts)
			}
		})
	}
}
