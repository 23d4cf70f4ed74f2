package pve

import (
	"errors"
	"strings"
	"testing"

	"github.com/railiance/railiance/tools/internal/pvetest"
)

// What a rehearsed guest could do harm with is gone before it boots; the rest of
// it is as it was.
func TestIsolate(t *testing.T) {
	w, c := world(t)
	ok(t, w.AddVM(pvetest.VM{ID: 100, Node: "baobab", Name: "web", Net: true, Keys: map[string]string{
		"hostpci0": "0000:01:00,pcie=1", "usb1": "host=1234:5678", "parallel0": "/dev/parport0", "virtiofs0": "shared", "hookscript": "local:snippets/hook.pl", "onboot": "1",
		"serial0": "socket", "serial1": "/dev/ttyS0", "args": "-nic user", "net1": "virtio=BC:24:11:00:00:99,bridge=vmbr1",
	}}))
	ok(t, w.AddCT(pvetest.CT{ID: 200, Node: "tapia", Keys: map[string]string{"net0": "name=eth0,bridge=vmbr0", "dev0": "/dev/dri/card0"}}))
	for _, id := range []int{100, 200} {
		g, err := c.Locate(soon(t), id)
		ok(t, err)
		for range 2 { // once more changes nothing
			ok(t, c.Isolate(soon(t), g))
		}
	}
	for id, want := range map[int]map[string]string{
		100: {"hostpci0": "", "usb1": "", "parallel0": "", "virtiofs0": "", "hookscript": "", "serial1": "", "args": "", "serial0": "socket", "onboot": "0", "name": "web"},
		200: {"dev0": ""},
	} {
		for key, value := range want {
			got, err := w.Key(id, key)
			if ok(t, err); got != value {
				t.Errorf("%s of %d is %q", key, id, got)
			}
		}
	}
	for id, keys := range map[int][]string{100: {"net0", "net1"}, 200: {"net0"}} {
		for _, key := range keys {
			got, err := w.Key(id, key)
			if ok(t, err); !strings.HasSuffix(got, ",link_down=1") || strings.Count(got, "link_down") != 1 {
				t.Errorf("%s of %d is %q", key, id, got)
			}
		}
	}
}

// Lines for lxc cannot be taken away: all else is, and it is told.
func TestIsolateKnowsWhatItCannot(t *testing.T) {
	w, c := world(t)
	ok(t, w.AddCT(pvetest.CT{ID: 200, Node: "tapia", Keys: map[string]string{"lxc.mount.entry": "/srv srv none bind", "dev0": "/dev/dri/card0"}}))
	g, err := c.Locate(soon(t), 200)
	ok(t, err)
	if err := c.Isolate(soon(t), g); !errors.Is(err, ErrNotApart) {
		t.Errorf("%v", err)
	}
	if got, err := w.Key(200, "dev0"); err != nil || got != "" {
		t.Errorf("dev0 is %q, %v", got, err)
	}
}

func TestHasAgent(t *testing.T) {
	for config, want := range map[string]bool{
		"": false, "agent: 1\n": true, "name: x\nagent: enabled=1,fstrim_cloned_disks=1\n": true, "agent: 1,type=virtio\n": true,
		"agent: 0\n": false, "agent: enabled=0\n": false, "description: agent: 1\n": false,
	} {
		if HasAgent(config) != want {
			t.Errorf("%q: %v", config, !want)
		}
	}
}
