package thunderbolt

import (
	"encoding/json"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
)

func healthyRing(t *testing.T) Observation {
	t.Helper()
	return recorded(t, "testdata/recorded/healthy.txtar")
}

// What every node has for itself is no fault: the bridge of its containers, the
// gateway that an SDN puts onto all of them. The same address in this network is.
func TestSameAddressElsewhere(t *testing.T) {
	own := netip.MustParsePrefix("172.17.0.1/16")
	for device, want := range map[string]bool{"docker0": false, "thunderbolt0": true, "vmbr1": true} {
		seen := healthyRing(t)
		for _, n := range []string{"baobab", "ebony"} {
			seen[n].Addresses[device] = append(seen[n].Addresses[device], own)
		}
		d := Diagnose(threeNodes(true), seen)
		if got := slices.ContainsFunc(d.Faults, func(f Fault) bool { return f.Kind == Duplicate }); got != want {
			t.Errorf("on %s: %t, want %t: %+v", device, got, want, d.Faults)
		}
	}
	seen := healthyRing(t)
	seen["ebony"].Addresses["docker0"] = []netip.Prefix{netip.MustParsePrefix("10.77.1.1/32")}
	if d := Diagnose(threeNodes(true), seen); d.Healthy() {
		t.Error("the address of another node on an interface of another network is taken for well")
	}
}

// As iproute2 writes it where FRR has two ways of one length, and of IPv6.
func TestRoutesOfSeveralWays(t *testing.T) {
	got, err := ParseRoutes([]byte(`[{"dst":"default","gateway":"192.0.2.1","dev":"vmbr0"},
{"dst":"10.77.1.3","nhid":30,"protocol":"openfabric","metric":20,"flags":[],"nexthops":[
 {"gateway":"10.77.1.2","dev":"en05","weight":1,"flags":["onlink"]},{"gateway":"10.77.1.4","dev":"en06","weight":1,"flags":["onlink"]}]},
{"dst":"fc00::83","gateway":"fe80::1","dev":"en05","protocol":"openfabric","pref":"medium"}]`))
	to := netip.MustParsePrefix("10.77.1.3/32")
	want := []Route{{to, netip.MustParseAddr("10.77.1.2"), "en05"}, {to, netip.MustParseAddr("10.77.1.4"), "en06"},
		{netip.MustParsePrefix("fc00::83/128"), netip.MustParseAddr("fe80::1"), "en05"}}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%v, %v, want %v", got, err, want)
	}
}

// A sample that is there twice has node_exporter throw the whole file away.
func TestMetricsHaveEachSampleOnce(t *testing.T) {
	plan := threeNodes(true)
	plan.Nodes[0].Addresses = append(plan.Nodes[0].Addresses, netip.MustParsePrefix("fd00::1/64"))
	seen := healthyRing(t)
	seen["baobab"].Addresses = map[string][]netip.Prefix{"lo": nil}
	d := Diagnose(plan, seen)
	if len(d.Faults) != 2 {
		t.Fatalf("found %+v", d.Faults)
	}
	told := map[string]bool{}
	for line := range strings.Lines(string(d.Prometheus("madagascar", time.Unix(1795262400, 0)))) {
		if told[line] {
			t.Errorf("is there twice: %s", line)
		}
		told[line] = true
	}
}

// The name of a fault becomes a line of an issue.
func TestNamesThatNodesMakeUp(t *testing.T) {
	id := Fault{Kind: Duplicate, End: End{"tapia", "a\n- Status: b`"}}.ID()
	if strings.ContainsAny(id, "\n`") {
		t.Errorf("%q", id)
	}
	for _, name := range []string{"x\\n- Status: y", "sixteen-letters-", "a/b"} {
		if got, err := ParseAddresses([]byte(`[{"ifname":"` + name + `","addr_info":[]}]`)); err == nil {
			t.Errorf("%q is taken: %v", name, got)
		}
	}
}

func TestListsAreNeverNull(t *testing.T) {
	text, err := json.Marshal(Diagnose(threeNodes(false), Observation{}))
	if err != nil || strings.Contains(string(text), "null") {
		t.Errorf("%s, %v", text, err)
	}
}

// An interface that did not get its name is told by its bus, whatever it is
// called: beside one that is missing this says what to look at.
func TestUndeclaredByItsBus(t *testing.T) {
	links, err := ParseLinks([]byte(`[{"ifindex":7,"ifname":"en07","flags":["UP"],"mtu":1500,"parentbus":"thunderbolt","parentdev":"0-1.0"}]`))
	if err != nil {
		t.Fatal(err)
	}
	seen := healthyRing(t)
	seen["tapia"].Links["en07"] = links["en07"]
	if d := Diagnose(threeNodes(true), seen); !slices.Contains(d.Notes, "tapia has an interface en07 that the context does not know") {
		t.Errorf("%q", d.Notes)
	}
}
