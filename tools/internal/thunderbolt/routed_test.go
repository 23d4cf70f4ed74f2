package thunderbolt

import (
	"net/netip"
	"slices"
	"testing"
)

// routed is a ring of three without a bridge: each node has its address on lo
// and a route to each other one through the cable between them.
func routed() (Plan, Observation) {
	p := threeNodes(true)
	p.Routed, p.Bridge = true, ""
	seen := Observation{}
	for i, n := range p.Nodes {
		own := netip.PrefixFrom(n.Addresses[0].Addr(), 32)
		p.Nodes[i].Addresses = []netip.Prefix{own}
		seen[n.Name] = &Seen{Links: map[string]Link{}, Addresses: map[string][]netip.Prefix{"lo": {own}}}
		for _, name := range n.Interfaces {
			seen[n.Name].Links[name] = Link{Name: name, Up: true, Carrier: true, MTU: 65520}
		}
	}
	for _, c := range p.Cables {
		for k := range c {
			to := p.Node(c[1-k].Node)
			s := seen[c[k].Node]
			s.Routes = append(s.Routes, Route{To: to.Addresses[0], Device: c[k].Interface})
			s.Pings = append(s.Pings, Ping{To: to.Name, Sent: 10, Received: 10}, Ping{To: to.Name, Full: true, Sent: 4, Received: 4})
		}
	}
	return p, seen
}

func silence(seen Observation, a, b string) {
	for _, p := range []pair{{a, b}, {b, a}} {
		s := seen[p.a]
		for i := range s.Pings {
			if s.Pings[i].To == p.b {
				s.Pings[i].Received = 0
			}
		}
	}
}

func TestRouted(t *testing.T) {
	for name, test := range map[string]struct {
		change func(Observation)
		want   []string
	}{
		"healthy": {func(Observation) {}, nil},
		// The fabric takes the other way.
		"cable out": {func(seen Observation) {
			for _, e := range []End{{"baobab", "thunderbolt0"}, {"ebony", "thunderbolt1"}} {
				l := seen[e.Node].Links[e.Interface]
				l.Carrier = false
				seen[e.Node].Links[e.Interface] = l
			}
			seen["baobab"].Routes[0].Device, seen["ebony"].Routes[0].Device = "thunderbolt1", "thunderbolt0"
		}, []string{"no-carrier@baobab:thunderbolt0-ebony:thunderbolt1"}},
		"no fabric": {func(seen Observation) {
			seen["ebony"].Routes = nil
			silence(seen, "ebony", "baobab")
			silence(seen, "ebony", "tapia")
		}, []string{"no-route@ebony"}},
		"route past the network": {func(seen Observation) {
			seen["tapia"].Routes[0].Device = "mgmt0"
		}, []string{"no-route@tapia"}},
		"low MTU": {func(seen Observation) {
			l := seen["tapia"].Links["thunderbolt1"]
			l.MTU = 1500
			seen["tapia"].Links["thunderbolt1"] = l
		}, []string{"mtu-low@tapia:thunderbolt1"}},
		"address lost": {func(seen Observation) {
			seen["ebony"].Addresses = map[string][]netip.Prefix{}
			silence(seen, "ebony", "baobab")
			silence(seen, "ebony", "tapia")
		}, []string{"address-missing@ebony"}},
		"firewall": {func(seen Observation) {
			silence(seen, "ebony", "baobab")
			silence(seen, "ebony", "tapia")
		}, []string{"mute@ebony"}},
	} {
		t.Run(name, func(t *testing.T) {
			plan, seen := routed()
			test.change(seen)
			d := Diagnose(plan, seen)
			var got []string
			for _, f := range d.Faults {
				got = append(got, f.ID())
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("found %q, want %q", got, test.want)
			}
		})
	}
}
