package thunderbolt

import (
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"
)

// threeNodes is the plan of the recorded ring.
func threeNodes(cables bool) Plan {
	p := Plan{Bridge: "vmbr1", MTU: 65520}
	for i, name := range []string{"baobab", "ebony", "tapia"} {
		p.Nodes = append(p.Nodes, PlanNode{Name: name, Interfaces: []string{"thunderbolt0", "thunderbolt1"},
			Addresses: []netip.Prefix{netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 77, 1, byte(i + 1)}), 24)}})
	}
	if cables {
		p.Cables = []Cable{{{"baobab", "thunderbolt0"}, {"ebony", "thunderbolt1"}}, {{"ebony", "thunderbolt0"}, {"tapia", "thunderbolt1"}},
			{{"baobab", "thunderbolt1"}, {"tapia", "thunderbolt0"}}}
	}
	return p
}

// recorded is what the nodes of a recording said.
func recorded(t *testing.T, path string) Observation {
	t.Helper()
	archive, err := txtar.ParseFile(path)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{}
	for _, f := range archive.Files {
		files[f.Name] = f.Data
	}
	seen := Observation{}
	for _, node := range []string{"baobab", "ebony", "tapia"} {
		s := &Seen{}
		seen[node] = s
		if said := string(files[node+"/ssh_true.err"]); said != "" {
			s.SSH = SSH{Said: strings.TrimSpace(said), Trouble: Silent}
			if strings.Contains(said, "refused") {
				s.SSH.Trouble = Refused
			}
			continue
		}
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatalf("%s of %s: %v", path, node, err)
			}
		}
		s.Links, err = ParseLinks(files[node+"/ip-j-d-link.json"])
		must(err)
		must(ParseStates(files[node+"/bridge-j-link.json"], s.Links))
		s.Addresses, err = ParseAddresses(files[node+"/ip-j-addr.json"])
		must(err)
		s.Routes, err = ParseRoutes(files[node+"/ip-j-route.json"])
		must(err)
		s.Neighbours, err = ParseNeighbours(files[node+"/ip-j-neigh.json"])
		must(err)
		s.Learned, err = ParseLearned(files[node+"/bridge-j-fdb.json"])
		must(err)
		for name, text := range files {
			base := strings.TrimSuffix(filepath.Base(name), ".txt")
			if !strings.HasPrefix(name, node+"/ping-") {
				continue
			}
			words := strings.Split(base, "-")
			ping, err := ParsePing(string(text))
			must(err)
			ping.To, ping.Full = words[2], words[1] == "jumbo"
			s.Pings = append(s.Pings, ping)
		}
	}
	return seen
}

// Each recorded state of a real ring is told from the recording alone, whether
// its cables are declared or found.
func TestRecordedStates(t *testing.T) {
	for state, want := range map[string][]string{
		"healthy":        nil,
		"asym-mtu":       {"mtu-low@baobab:thunderbolt0"},
		"asymmetric":     {"one-way@ebony"},
		"link-down":      {"link-down@ebony:thunderbolt1"},
		"loss":           {"loss@ebony:thunderbolt0-tapia:thunderbolt1"},
		"member-removed": {"member-removed@ebony:thunderbolt1"},
		"mtu-low":        {"mtu-low@ebony:thunderbolt1"},
		"no-bridge":      {"no-bridge@ebony"},
		"node-down":      {"node-down@ebony"},
		"sshd-down":      {"sshd-down@ebony"},
	} {
		seen := recorded(t, filepath.Join("testdata", "recorded", state+".txtar"))
		for _, declared := range []bool{true, false} {
			d := Diagnose(threeNodes(declared), seen)
			var got []string
			for _, f := range d.Faults {
				got = append(got, f.ID())
			}
			if !slices.Equal(got, want) {
				t.Errorf("%s, cables declared: %t: %q, want %q\n%#v\nnotes %q", state, declared, got, want, d.Faults, d.Notes)
			}
			if !declared && (state == "healthy" || state == "mtu-low") && !slices.Equal(cablesOf(d), sorted(threeNodes(true).Cables)) {
				t.Errorf("%s: found the cables %v", state, cablesOf(d))
			}
		}
	}
}

// A node that ssh does not reach is down only if its neighbours see it dark.
func TestSilentNodeLives(t *testing.T) {
	seen := recorded(t, filepath.Join("testdata", "recorded", "healthy.txtar"))
	seen["ebony"] = &Seen{SSH: SSH{Trouble: Silent, Said: "Connection timed out"}}
	d := Diagnose(threeNodes(true), seen)
	if len(d.Faults) != 1 || d.Faults[0].ID() != "unreached@ebony" {
		t.Errorf("found %#v", d.Faults)
	}
}

// A node is slow in comparison: where all are, it is this machine.
func TestSlowNodes(t *testing.T) {
	for _, test := range []struct {
		took  [3]time.Duration
		fault bool
		note  string
	}{
		{[3]time.Duration{time.Second, 7 * time.Second, time.Second}, true, ""},
		{[3]time.Duration{4 * time.Second, 7 * time.Second, 4 * time.Second}, false, ""},
		{[3]time.Duration{6 * time.Second, 7 * time.Second, 6 * time.Second}, false, "ssh to every node was slow"},
	} {
		seen := recorded(t, filepath.Join("testdata", "recorded", "healthy.txtar"))
		for i, n := range []string{"baobab", "ebony", "tapia"} {
			seen[n].SSH.Took = test.took[i]
		}
		d := Diagnose(threeNodes(true), seen)
		if d.Healthy() == test.fault || test.fault && d.Faults[0].ID() != "slow-ssh@ebony" || !strings.HasPrefix(strings.Join(d.Notes, ""), test.note) {
			t.Errorf("%s: found %#v, notes %q", test.took, d.Faults, d.Notes)
		}
	}
}

func cablesOf(d Diagnosis) []Cable {
	var all []Cable
	for _, c := range d.Ring {
		all = append(all, c.Cable)
	}
	return sorted(all)
}

func sorted(cables []Cable) []Cable {
	slices.SortFunc(cables, func(a, b Cable) int { return strings.Compare(a.String(), b.String()) })
	return cables
}
