package tbcli

import (
	"net/netip"

	"github.com/railiance/railiance/tools/internal/tbtest"
	"github.com/railiance/railiance/tools/internal/thunderbolt"
)

func (s *simulation) plan() thunderbolt.Plan {
	p := thunderbolt.Plan{Bridge: tbtest.Bridge, MTU: tbtest.MTU}
	for i, n := range s.nodes {
		p.Nodes = append(p.Nodes, thunderbolt.PlanNode{Name: n, Interfaces: []string{"thunderbolt0", "thunderbolt1"}, Addresses: []netip.Prefix{address(i)}})
	}
	for _, c := range s.cables {
		p.Cables = append(p.Cables, thunderbolt.Cable{{Node: c[0].Node, Interface: c[0].Interface}, {Node: c[1].Node, Interface: c[1].Interface}})
	}
	return p
}

func address(i int) netip.Prefix {
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 77, 1, byte(i + 1)}), 24)
}

func (s *simulation) observe() thunderbolt.Observation {
	for _, n := range s.nodes {
		if s.answers(n) {
			s.flood(n)
		}
	}
	seen := thunderbolt.Observation{}
	for i, n := range s.nodes {
		o := &thunderbolt.Seen{}
		seen[n] = o
		for _, a := range []struct {
			kind    tbtest.Kind
			trouble thunderbolt.Trouble
		}{{tbtest.SlowSSH, thunderbolt.Slow}, {tbtest.HostKey, thunderbolt.KeyChanged}, {tbtest.SSHDDown, thunderbolt.Refused}, {tbtest.NodeDown, thunderbolt.Silent}} {
			if s.is(a.kind, n, "") {
				o.SSH.Trouble = a.trouble
			}
		}
		if o.SSH.Trouble != "" {
			continue
		}
		bridged := !s.is(tbtest.NoBridge, n, "")
		o.Links, o.Addresses, o.Passed = map[string]thunderbolt.Link{}, map[string][]netip.Prefix{}, map[string]thunderbolt.Counters{}
		for _, e := range s.ends(n) {
			p := s.ports[e]
			l := thunderbolt.Link{Name: e.Interface, Up: s.up(e), Carrier: s.carrier(e), MTU: s.mtu(e)}
			if bridged && !s.is(tbtest.MemberRemoved, n, e.Interface) {
				state := map[bool]string{true: "forwarding", false: "blocking"}[p.forwarding]
				if !s.carrier(e) {
					state = "disabled"
				}
				l.Master = tbtest.Bridge
				l.Port = thunderbolt.Port{State: state, Number: p.id, Cost: 2, Root: p.root, Designated: p.designated, From: p.from, RootCost: p.cost}
			}
			o.Links[e.Interface] = l
			o.Passed[e.Interface] = thunderbolt.Counters{Received: p.rx}
		}
		if bridged {
			o.Links[tbtest.Bridge] = thunderbolt.Link{Name: tbtest.Bridge, Kind: "bridge", Up: true, Carrier: true, MTU: s.bridgeMTU(n),
				Tree: thunderbolt.Tree{On: !s.is(tbtest.STPOff, n, ""), Self: s.self(n)}}
			o.Addresses[tbtest.Bridge] = []netip.Prefix{address(i)}
			if s.is(tbtest.Duplicate, n, "") {
				o.Addresses[tbtest.Bridge] = append(o.Addresses[tbtest.Bridge], address((i+1)%len(s.nodes)))
			}
		}
		for _, to := range s.nodes {
			if to == n {
				continue
			}
			small := s.ping(n, to, false)
			o.Pings = append(o.Pings, small)
			if small.Received > 0 {
				o.Pings = append(o.Pings, s.ping(n, to, true))
			}
		}
	}
	return seen
}
