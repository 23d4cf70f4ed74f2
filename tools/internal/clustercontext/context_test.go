package clustercontext

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const folder = "../../../layers/madagascar/cluster-context/"

func read(t testing.TB, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(folder, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestExample(t *testing.T) {
	c, err := Read(filepath.Join(folder, "madagascar.example.json"))
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Unknown) > 0 {
		t.Errorf("unknown: %q", c.Unknown)
	}
	m, err := c.Cluster("madagascar")
	if err != nil {
		t.Fatal(err)
	}
	want := "[{baobab [{ root@baobab} { root@192.0.2.11}]} {ebony [{ root@192.0.2.12}]} " +
		"{tapia [{management root@192.0.2.13} {ipv6 root@2001:db8::13}]}]"
	if got := fmt.Sprint(m.Nodes); got != want {
		t.Errorf("nodes %s\nwant  %s", got, want)
	}
	ring := m.Thunderbridge
	if ring.Mode != Bridge || ring.Bridge != "vmbr1" || ring.MTU != 65520 || ring.STP == nil || !*ring.STP || len(ring.Cables) != 3 ||
		ring.Cables[2] != (Cable{{"tapia", "thunderbolt0"}, {"baobab", "thunderbolt1"}}) ||
		!slices.Equal(ring.Addresses["ebony"], []netip.Prefix{netip.MustParsePrefix("198.51.100.12/24")}) ||
		!slices.Equal(ring.Interfaces["tapia"], []string{"thunderbolt0", "thunderbolt1"}) {
		t.Errorf("%+v", ring)
	}
	if m.WAN.Gateway.String() != "192.0.2.1" || m.WAN.STP != nil || len(m.WAN.Addresses["tapia"]) != 2 {
		t.Errorf("%+v", m.WAN)
	}
	stores := m.BackupServers[0].Stores
	if len(stores) != 3 || stores[0].Marker != ".this-is-the-nas" || !stores[1].PathStyle || stores[1].Prefix != "guests/" ||
		stores[2].Type != StoreWebDAV || stores[2].Credentials != "secrets/cloud.sops.yaml" {
		t.Errorf("%+v", stores)
	}
	if _, err := c.Cluster("b"); err == nil || !strings.Contains(err.Error(), "there are: madagascar") {
		t.Errorf("%v", err)
	}
	if n, err := m.Node("ebony"); err != nil || n.Name != "ebony" {
		t.Errorf("%v, %v", n, err)
	}
	if _, err := m.Node("eboni"); err == nil || !strings.Contains(err.Error(), "baobab, ebony, tapia") {
		t.Errorf("%v", err)
	}
}

// small is a context with more in the cluster.
func small(more string) string {
	return `{"clusters": {"m": {"nodes": {"a": {"hosts": "a"}, "b": {"hosts": "b"}}` + more + `}}}`
}

func bridge(more string) string {
	return small(`, "networks": {"thunderbridge": {"mode": "bridge", "bridge": "vmbr1"` + more + `}}`)
}

func stored(more string) string {
	return small(`, "backupServers": {"s": {"stores": {"d": {` + more + `}}}}`)
}

// Every error names the line, the path and what to do about it.
func TestWrong(t *testing.T) {
	const ring = "clusters.m.networks.thunderbridge"
	const store = "clusters.m.backupServers.s.stores.d"
	for _, test := range []struct{ text, want string }{
		{``, "c:1: the file ends too early"},
		{`{"clusters": {"m": {"nodes": {"a"`, "c:1: clusters.m.nodes.a: the file ends too early"},
		{"{\n\"clusters\": nope}", "c:2: clusters: is not JSON"},
		{`{"clusters": {}} {}`, "c:1: there is more after the end"},
		{"\ufeff{}", "byte order mark"},
		{"{\"a\xff\": 1}", "is not UTF-8"},
		{`[]`, "c:1: is a list; it must be an object"},
		{`{}`, "c:1: has no clusters"},
		{`{"clusters": []}`, "c:1: clusters: is a list"},
		{`{"clusters": {"m": null}}`, "clusters.m: is null; it must be an object"},
		{`{"clusters": {"m": {}}}`, "clusters.m: has no nodes"},
		{`{"clusters": {"../m": {"nodes": {}}}}`, `clusters["../m"]: is no name`},
		{"{\"clusters\": {\"m\": {\"nodes\": {\"a\": {\"hosts\": \"a\"},\n\"a\": {\"hosts\": \"b\"}}}}}", "c:2: clusters.m.nodes.a: is there twice, first on line 1"},
		{strings.Repeat("[", 100), "is nested deeper than 32"},
		{strings.Repeat(" ", sizeMax+1), "has more than 1048576 bytes"},
		{small(``)[:20] + "\x00", "is not JSON"},
		{`{"clusters": {"m": {"nodes": {"a": {}}}}}`, "clusters.m.nodes.a: has no hosts"},
		{`{"clusters": {"m": {"nodes": {"a": {"hosts": []}}}}}`, "clusters.m.nodes.a.hosts: is empty"},
		{`{"clusters": {"m": {"nodes": {"a": {"hosts": {}}}}}}`, "clusters.m.nodes.a.hosts: is empty"},
		{`{"clusters": {"m": {"nodes": {"a": {"hosts": 7}}}}}`, "clusters.m.nodes.a.hosts: is the number 7; it must be a text or a list"},
		{`{"clusters": {"m": {"nodes": {"a": {"hosts": ["x", true]}}}}}`, "clusters.m.nodes.a.hosts[1]: is true; it must be a text"},
		{`{"clusters": {"m": {"nodes": {"a": {"hosts": ["x", "-oProxyCommand=x"]}}}}}`, "hosts[1]: ssh target \"-oProxyCommand=x\": begins like an option"},
		{`{"clusters": {"m": {"nodes": {"a": {"hosts": {"x": "a b"}}}}}}`, "hosts.x: ssh target \"a b\": holds other characters"},
		{`{"clusters": {"m": {"nodes": {"a": {"hosts": "\u001b[31m"}}}}}`, "hosts: holds what cannot be printed"},
		{`{"clusters": {"m": {"nodes": {"a": {"hosts": "x"}, "b": {"hosts": ["y", "x"]}}}}}`, "nodes.b.hosts[1]: ssh target x is already at clusters.m.nodes.a.hosts"},
		{small(`, "networks": {"wan": {"mode": "bridge"}}`), "wan.mode: only a thunderbridge"},
		{small(`, "networks": {"thunderbridge": {}}`), ring + ": has no mode: bridge or routed"},
		{small(`, "networks": {"thunderbridge": {"mode": "star"}}`), ring + `.mode: is "star"`},
		{small(`, "networks": {"thunderbridge": {"mode": "bridge"}}`), "no name of the bridge"},
		{small(`, "networks": {"thunderbridge": {"mode": "routed", "bridge": "vmbr1"}}`), ring + ".bridge: mode routed has no bridge"},
		{bridge(`, "mtu": "65520"`), ring + `.mtu: is the text "65520": write the number without quotes`},
		{bridge(`, "mtu": "jumbo"`), ring + `.mtu: is the text "jumbo"; it must be a whole number`},
		{bridge(`, "mtu": 1.5`), ring + ".mtu: is 1.5; it must be a whole number"},
		{bridge(`, "mtu": 99999999999999999999`), "whole number"},
		{bridge(`, "mtu": 65536`), "it must be from 576 to 65535"},
		{bridge(`, "stp": "on"`), ring + `.stp: is the text "on"; write true or false`},
		{bridge(`, "gateway": "x"`), ring + `.gateway: "x" is no address`},
		{bridge(`, "addresses": {"c": "192.0.2.1/24"}`), ring + ".addresses.c: there is no such node; there are: a, b"},
		{bridge(`, "addresses": {"a": "192.0.2.1"}`), `"192.0.2.1" is no address with its prefix length`},
		{bridge(`, "addresses": {"a": "192.0.2.1/24", "b": ["192.0.2.2/24", "192.0.2.1/32"]}`),
			ring + ".addresses.b[1]: address 192.0.2.1 is already at " + ring + ".addresses.a"},
		{bridge(`, "addresses": {"a": "2001:db8::1/64", "b": "2001:DB8:0::1/64"}`), "address 2001:db8::1 is already at"},
		{bridge(`, "addresses": {"a": "192.0.2.1/24", "b": "::ffff:192.0.2.1/128"}`), "address 192.0.2.1 is already at"},
		{bridge(`, "interfaces": {"a": ["thunderbolt00000"]}`), `"thunderbolt00000" is no name of an interface`},
		{bridge(`, "interfaces": {"a": ["../x"]}`), "is no name of an interface"},
		{bridge(`, "interfaces": {"a": ["t0", "t0"]}`), "interfaces.a[1]: t0 is there twice"},
		{bridge(`, "cables": {}`), "it must be a list of pairs"},
		{bridge(`, "cables": [["a:t0"]]`), ring + ".cables[0]: must be a pair"},
		{bridge(`, "cables": [["a:t0", "c:t0"]]`), `cables[0][1]: is no "node:interface" of a, b`},
		{bridge(`, "interfaces": {"a": "t0", "b": "t0"}, "cables": [["a:t0", "b:t1"]]`), "t1 is not among the interfaces of b"},
		{bridge(`, "interfaces": {"a": ["t0", "t1"], "b": "t0"}, "cables": [["a:t0", "b:t0"], ["a:t1", "b:t0"]]`), "cables[1][1]: has a cable already"},
		{bridge(`, "interfaces": {"a": ["t0", "t1"]}, "cables": [["a:t0", "a:t1"]]`), "both ends are at a"},
		{stored(``), store + ": has no type: dir, s3 or webdav"},
		{stored(`"type": "ftp"`), store + `.type: is "ftp"`},
		{stored(`"type": "dir"`), "a store of type dir needs path"},
		{stored(`"type": "dir", "path": "mnt"`), store + ".path: \"mnt\" is no clean absolute path"},
		{stored(`"type": "dir", "path": "/mnt/../etc"`), "no clean absolute path"},
		{stored(`"type": "dir", "path": "/mnt", "marker": "../x"`), store + ".marker:"},
		{stored(`"type": "s3", "endpoint": "https://s", "bucket": "b"`), "a store of type s3 needs credentials"},
		{stored(`"type": "s3", "endpoint": "https://s", "bucket": "b", "credentials": "c", "lockDays": 0`), store + ".lockDays: "},
		{stored(`"type": "s3", "endpoint": "http://s", "bucket": "b", "credentials": "c"`), store + ".endpoint: is no https:// address"},
		{stored(`"type": "webdav", "url": "https://me:hunter2@s/", "credentials": "c"`), store + ".url: has a user in it"},
		{stored(`"type": "webdav", "url": "https://s/?token=hunter2", "credentials": "c"`), "has more than a host and a path"},
		{stored(`"type": "dir", "path": "/m", "secretKey": "hunter2"`), store + ".secretKey: a secret does not belong here"},
		{stored(`"type": "dir", "path": "/m", "more": [{"Password": "hunter2"}]`), store + ".more[0].Password: a secret"},
	} {
		c, err := Parse("c", []byte(test.text))
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%.100s: %v, %v\nwant %s", test.text, c, err, test.want)
		} else if strings.Contains(err.Error(), "hunter2") || strings.ContainsAny(err.Error(), "\x1b\x00") {
			t.Errorf("%v: a secret or an escape got through", err)
		}
	}
}

// All faults are told at once, up to a number that a person reads.
func TestAllFaults(t *testing.T) {
	_, err := Parse("c", []byte(bridge(`, "mtu": 1, "stp": 1`)))
	if err == nil || strings.Count(err.Error(), "\n") != 1 {
		t.Errorf("%v, want two faults", err)
	}
	_, err = Parse("c", []byte(small(`, "networks": {"wan": {"addresses": {"a": [`+strings.Repeat("1,", 5000)+`1]}}}`)))
	if err == nil || strings.Count(err.Error(), "\n") != faultsMax || !strings.HasSuffix(err.Error(), "c: and 4981 more") {
		t.Errorf("%.300v", err)
	}
}

func TestUnknown(t *testing.T) {
	c, err := Parse("c", []byte(`{"notes": 1, "clusters": {"m": {"nodes": {"a": {"hosts": "a", "hsots": 1, "x\u001b y": 2}}}}}`))
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"notes", "clusters.m.nodes.a.hsots", `clusters.m.nodes.a["x\x1b y"]`}; !slices.Equal(c.Unknown, want) {
		t.Errorf("%q, want %q", c.Unknown, want)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(read(f, "madagascar.example.json"))
	f.Add(bridge(`, "mtu": "65520"`))
	f.Add(`{"clusters": {"m": null, "m": [1e99]}}`)
	f.Fuzz(func(t *testing.T, text string) {
		c, err := Parse("c", []byte(text))
		if (c == nil) == (err == nil) {
			t.Fatalf("%v and %v", c, err)
		}
		if err != nil {
			if strings.ContainsAny(err.Error(), "\x00\x1b\r") || len(err.Error()) > 1<<20 {
				t.Errorf("%q", err)
			}
			return
		}
		// What was read can be changed, and stays what it was besides.
		root, _ := parse("c", []byte(text))
		d := &Doc{name: "c", text: []byte(text), root: root}
		if err := d.Set("x", "fuzz", "a"); err != nil {
			t.Fatal(err)
		}
		if err := d.Remove("fuzz"); err != nil {
			t.Fatal(err)
		}
		if _, err := d.Context(); err != nil {
			t.Fatal(err)
		}
	})
}
