package pve

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/railiance/railiance/tools/internal/host"
	"github.com/railiance/railiance/tools/internal/pvetest"
	"github.com/railiance/railiance/tools/internal/tell"
)

// Text that people may put where we read it, and that acts on whoever is
// careless.
const hostile = "x'\"; $(touch /tmp/pwned) `id`\x1b[2J"

func TestDiscover(t *testing.T) {
	w, c := world(t)
	ok(t, w.AddVM(pvetest.VM{
		ID: 100, Node: "baobab", Name: "web", Pool: "production", Tags: []string{"prod", "web"}, Running: true, Description: hostile,
		Disks: []pvetest.Disk{{Key: "scsi0", Size: 4 << 20}, {Key: "scsi1", Size: 1 << 20, NoBackup: true}},
	}))
	ok(t, w.AddVM(pvetest.VM{ID: 101, Node: "ebony", Lock: "backup", Keys: map[string]string{"name": hostile}}))
	ok(t, w.AddVM(pvetest.VM{ID: 103, Node: "ebony", Name: "template", Template: true}))
	ok(t, w.AddVM(pvetest.VM{ID: 104, Node: "tapia", Name: "asleep", Paused: true}))
	ok(t, w.AddCT(pvetest.CT{ID: 200, Node: "tapia", Name: "db", Mounts: []pvetest.Mount{{Key: "mp0", Path: "/data"}, {Key: "mp1", Path: "/more", Backup: true}}}))

	inv, err := c.Discover(soon(t))
	ok(t, err)
	if inv.Partial || len(inv.Nodes) != 3 || len(inv.Guests) != 5 || inv.Nodes[0].Version == "" {
		t.Fatalf("%+v", inv)
	}
	if g := guestOf(t, inv, 100); g.Node != "baobab" || g.Status != Running || g.Pool != "production" || len(g.Disks) != 2 || len(g.LeftOut()) != 1 {
		t.Errorf("%+v", g)
	}
	if g := guestOf(t, inv, 101); g.Lock != "backup" || strings.Contains(g.Name, "\x1b") || !strings.HasPrefix(g.Name, "x'\"; $(touch") {
		t.Errorf("%+v", g)
	}
	if g := guestOf(t, inv, 103); !g.Template {
		t.Errorf("%+v", g)
	}
	if g := guestOf(t, inv, 104); g.Status != Paused {
		t.Errorf("%+v", g)
	}
	if g := guestOf(t, inv, 200); g.Type != CT || len(g.LeftOut()) != 1 || g.LeftOut()[0].Key != "mp0" {
		t.Errorf("%+v", g)
	}

	// Without pvestatd the cluster has no names.
	ok(t, w.Blind("baobab", true))
	inv, err = c.Discover(soon(t))
	ok(t, err)
	if g := guestOf(t, inv, 100); g.Status != Running || g.Name != "web" {
		t.Errorf("%+v", g)
	}
	mustTell(t, inv, "guest 100: running, of which the cluster knows nothing")
}

func TestDiscoverWithoutANode(t *testing.T) {
	w, c := world(t)
	ok(t, w.AddVM(pvetest.VM{ID: 100, Node: "baobab", Name: "web"}))
	ok(t, w.AddVM(pvetest.VM{ID: 101, Node: "ebony", Name: "db"}))
	ok(t, w.StopNode("ebony"))
	began := time.Now()
	inv, err := c.Discover(soon(t))
	ok(t, err)
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("took %s", took)
	}
	if g := guestOf(t, inv, 101); !g.Unseen || g.Node != "ebony" {
		t.Errorf("%+v", g)
	}
	n := inv.Nodes[1]
	if !inv.Partial || n.Name != "ebony" || n.Reachable || !strings.Contains(n.Why, "unreachable") || len(tell.Hints(n.Err)) == 0 {
		t.Errorf("partial %v, %+v", inv.Partial, n)
	}
	if g := guestOf(t, inv, 100); g.Unseen {
		t.Errorf("%+v", g)
	}

	ok(t, w.StartNode("ebony"))
	ok(t, w.ChangeHostKey("ebony"))
	inv, err = c.Discover(soon(t))
	ok(t, err)
	var ssh *host.SSHError
	if n := inv.Nodes[1]; !inv.Partial || !errors.As(n.Err, &ssh) || ssh.Kind != host.SSHHostKeyChanged {
		t.Errorf("%+v", n)
	}
}

// What a node answers in its bad hours: one cannot keep us, nor fill us, nor
// pass half of its guests off as all of them.
func TestDiscoverOfBadAnswers(t *testing.T) {
	w, c := world(t)
	ok(t, w.AddVM(pvetest.VM{ID: 100, Node: "baobab", Name: "web"}))
	ok(t, w.AddVM(pvetest.VM{ID: 101, Node: "ebony", Name: "db"}))
	c.Timeout = 2 * time.Second
	for _, fault := range []struct{ path, line, want string }{
		{"pvesh-ebony-nodes-ebony-qemu", "truncate 20", "the JSON is cut short"},
		{"pvesh-ebony-nodes-ebony-qemu", "hang", "no answer in 2s"},
		{"pvesh-ebony-cluster-resources", "garbage <html>", "JSON"},
		{"pvesh-ebony-cluster-status", "exit 255 ipcc_send_rec failed: Connection refused", "ipcc_send_rec failed"},
		{"pvesh-ebony-nodes-ebony-lxc", "endless", ""},
	} {
		t.Run(fault.line, func(t *testing.T) {
			ok(t, w.SetFault(pvetest.Fault(fault.path), fault.line))
			defer func() { ok(t, w.SetFault(pvetest.Fault(fault.path), "")) }()
			c.forget("ebony")
			began := time.Now()
			inv, err := c.Discover(soon(t))
			ok(t, err)
			if n := inv.Nodes[1]; n.Reachable || !strings.Contains(n.Why, fault.want) || !inv.Partial {
				t.Errorf("%+v", n)
			}
			if g := guestOf(t, inv, 101); !g.Unseen {
				t.Errorf("%+v", g)
			}
			if took := time.Since(began); took > 20*time.Second {
				t.Errorf("took %s", took)
			}
		})
	}
}

// A node that stops answering in the middle is not asked for each of its guests.
func TestDiscoverOfConfigurationsThatHang(t *testing.T) {
	w, c := world(t)
	for id := 100; id < 140; id++ {
		ok(t, w.AddVM(pvetest.VM{ID: id, Node: "ebony"}))
		ok(t, w.SetFault(pvetest.Fault(fmt.Sprintf("pvesh-ebony-nodes-ebony-qemu-%d-config", id)), "hang"))
	}
	c.Timeout = time.Second
	began := time.Now()
	inv, err := c.Discover(soon(t))
	ok(t, err)
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("took %s", took)
	}
	if len(inv.Guests) != 40 || len(inv.Conflicts) > 2*failuresMax || !inv.Guests[39].Unseen {
		t.Errorf("%d guests, told %q", len(inv.Guests), inv.Conflicts)
	}
	mustTell(t, inv, "configuration: ebony: pvesh get /nodes/ebony/qemu/1")
}

// Two hosts of the context changed places.
func TestDiscoverOfSwappedNodes(t *testing.T) {
	w, c := world(t)
	ok(t, w.AddVM(pvetest.VM{ID: 100, Node: "baobab", Name: "web"}))
	c.Context.Nodes[0].Hosts, c.Context.Nodes[1].Hosts = c.Context.Nodes[1].Hosts, c.Context.Nodes[0].Hosts
	inv, err := c.Discover(soon(t))
	ok(t, err)
	if n := inv.Nodes[0]; n.Reachable || !strings.Contains(n.Why, "ebony: calls itself ebony, and the cluster context calls it baobab") {
		t.Errorf("%+v", n)
	}
	// A second host that is right is found.
	c.Context.Nodes[0].Hosts = append(c.Context.Nodes[0].Hosts, slices.Clone(c.Context.Nodes[1].Hosts)...)
	inv, err = c.Discover(soon(t))
	ok(t, err)
	if n := inv.Nodes[0]; !n.Reachable || n.Target != "baobab" {
		t.Errorf("%+v", n)
	}
}

func TestLocate(t *testing.T) {
	w, c := world(t)
	ok(t, w.AddVM(pvetest.VM{ID: 100, Node: "baobab", Name: "web", Pool: "p", Disks: []pvetest.Disk{{Key: "scsi0", Size: 1 << 20}}, Firewall: "[OPTIONS]\nenable: 1\n"}))
	ok(t, w.AddCT(pvetest.CT{ID: 200, Node: "ebony", Name: "db"}))
	for _, node := range []string{"baobab", "tapia"} {
		g, err := c.Locate(soon(t), 100)
		ok(t, err)
		if g.Node != node || g.Name != "web" || g.Pool != "p" || len(g.Disks) != 1 {
			t.Errorf("%+v", g)
		}
		text, err := c.Config(soon(t), g)
		ok(t, err)
		if !strings.Contains(text, "name: web\n") {
			t.Errorf("%q", text)
		}
		fw, err := c.Firewall(soon(t), g)
		ok(t, err)
		if fw != "[OPTIONS]\nenable: 1\n" {
			t.Errorf("%q", fw)
		}
		ok(t, w.Migrate(100, "tapia"))
	}
	g, err := c.Locate(soon(t), 200)
	ok(t, err)
	if fw, err := c.Firewall(soon(t), g); fw != "" || err != nil {
		t.Errorf("%q, %v", fw, err)
	}
	if _, err := c.Locate(soon(t), 999); !errors.Is(err, ErrNoGuest) {
		t.Errorf("%v", err)
	}
	ok(t, w.StopNode("ebony"))
	if _, err := c.Locate(soon(t), 200); err == nil || errors.Is(err, ErrNoGuest) {
		t.Errorf("%v", err)
	}
}
