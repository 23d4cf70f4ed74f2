package pve

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// recorded is what a real Proxmox VE 9.2 node said.
func recorded(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// viewOf is the view of the recorded node. cluster and own name recordings.
func viewOf(t testing.TB, cluster, own string) *view {
	t.Helper()
	v := &view{node: "pve1", target: "pve1", settings: map[int]settings{}}
	read := func(b []byte, kind string) []Guest {
		all, odd, err := guests(b, kind, "pve1")
		if err != nil || len(odd) > 0 {
			t.Fatal(err, odd)
		}
		return all
	}
	v.cluster = read(recorded(t, "pvesh-cluster-resources-"+cluster+".stdout"), "")
	v.own = append(read(recorded(t, "pvesh-nodes-pve1-"+own+".stdout"), VM), read(recorded(t, "pvesh-nodes-pve1-lxc.stdout"), CT)...)
	var err error
	if v.places, err = vmlist(recorded(t, "cat-vmlist.stdout")); err != nil {
		t.Fatal(err)
	}
	if v.status, err = readStatus(recorded(t, "pvesh-cluster-status.stdout")); err != nil {
		t.Fatal(err)
	}
	if v.version, err = version(recorded(t, "pvesh-version.stdout")); err != nil {
		t.Fatal(err)
	}
	for _, g := range v.own {
		v.settings[g.ID] = settings{"name": text(g.Name), "hostname": text(g.Name), "lock": text(g.Lock), "tags": text(strings.Join(g.Tags, ";"))}
		if g.Template {
			v.settings[g.ID]["template"] = "1"
		}
	}
	for id, name := range map[int]string{100: "qemu-100", 200: "lxc-200"} {
		if v.settings[id], err = readSettings(recorded(t, "pvesh-nodes-pve1-"+name+"-config.stdout")); err != nil {
			t.Fatal(err)
		}
	}
	return v
}

func guestOf(t testing.TB, inv *Inventory, id int) Guest {
	t.Helper()
	for _, g := range inv.Guests {
		if g.ID == id {
			return g
		}
	}
	t.Fatalf("no guest %d among %+v", id, inv.Guests)
	return Guest{}
}
