package tbcli

import (
	"fmt"
	"slices"

	"github.com/railiance/railiance/tools/internal/tbtest"
	"github.com/railiance/railiance/tools/internal/thunderbolt"
)

// simulation is a ring on paper: spanning tree, pings and counters follow from
// the faults. It reaches all the places that real rings have no time for; the
// tests on real rings hold it to what kernels do.
type simulation struct {
	nodes  []string
	cables []tbtest.Cable
	faults []tbtest.Fault
	ports  map[tbtest.End]*port
}

type port struct {
	id         int
	forwarding bool
	root       thunderbolt.BridgeID
	cost       int
	designated thunderbolt.BridgeID
	from       int
	rx         uint64
}

func simulate(n int, faults ...tbtest.Fault) (thunderbolt.Plan, thunderbolt.Observation) {
	s := newSimulation(n, faults...)
	return s.plan(), s.observe()
}

func newSimulation(n int, faults ...tbtest.Fault) *simulation {
	s := &simulation{faults: faults, ports: map[tbtest.End]*port{}}
	s.nodes = order()[:n]
	for i, node := range s.nodes {
		s.cables = append(s.cables, tbtest.Cable{{Node: node, Interface: "thunderbolt0"}, {Node: s.nodes[(i+1)%n], Interface: "thunderbolt1"}})
		for k := range 2 {
			s.ports[tbtest.End{Node: node, Interface: fmt.Sprint("thunderbolt", k)}] = &port{id: 0x8001 + k}
		}
	}
	s.spanningTree()
	return s
}

func (s *simulation) is(kind tbtest.Kind, node, name string) bool {
	return slices.Contains(s.faults, tbtest.Fault{Kind: kind, End: tbtest.End{Node: node, Interface: name}})
}

func (s *simulation) other(e tbtest.End) tbtest.End {
	for _, c := range s.cables {
		if c[0] == e {
			return c[1]
		}
		if c[1] == e {
			return c[0]
		}
	}
	panic(e)
}

func (s *simulation) ends(node string) []tbtest.End {
	return []tbtest.End{{Node: node, Interface: "thunderbolt0"}, {Node: node, Interface: "thunderbolt1"}}
}

func (s *simulation) up(e tbtest.End) bool {
	return !s.is(tbtest.NodeDown, e.Node, "") && !s.is(tbtest.LinkDown, e.Node, e.Interface)
}

func (s *simulation) carrier(e tbtest.End) bool { return s.up(e) && s.up(s.other(e)) }

func (s *simulation) member(e tbtest.End) bool {
	return s.carrier(e) && !s.is(tbtest.NoBridge, e.Node, "") && !s.is(tbtest.MemberRemoved, e.Node, e.Interface)
}

// arrives tells whether what a sends arrives at the other end.
func (s *simulation) arrives(a tbtest.End) bool {
	return s.carrier(a) && !s.is(tbtest.OneWay, a.Node, a.Interface)
}

// way is the first way from a to b that packets take.
func (s *simulation) way(a, b string) []tbtest.End {
	type place struct {
		node string
		way  []tbtest.End
	}
	queue, been := []place{{a, nil}}, map[string]bool{a: true}
	for len(queue) > 0 {
		at := queue[0]
		queue = queue[1:]
		if at.node == b {
			return at.way
		}
		for _, e := range s.ends(at.node) {
			if to := s.other(e); s.passes(e) && !been[to.Node] {
				been[to.Node] = true
				queue = append(queue, place{to.Node, append(slices.Clone(at.way), e)})
			}
		}
	}
	return nil
}

// looped tells whether a broadcast comes back to who sent it.
func (s *simulation) looped() bool {
	for _, direction := range []string{"thunderbolt0", "thunderbolt1"} {
		all := true
		for _, n := range s.nodes {
			all = all && s.passes(tbtest.End{Node: n, Interface: direction})
		}
		if all {
			return true
		}
	}
	return false
}

func (s *simulation) mtu(e tbtest.End) int {
	if s.is(tbtest.MTULow, e.Node, e.Interface) || s.is(tbtest.MTUPinned, e.Node, e.Interface) {
		return 1500
	}
	return tbtest.MTU
}

func (s *simulation) bridgeMTU(node string) int {
	least, pinned := tbtest.MTU, false
	for _, e := range s.ends(node) {
		pinned = pinned || s.is(tbtest.MTUPinned, e.Node, e.Interface)
		if !s.is(tbtest.MemberRemoved, e.Node, e.Interface) {
			least = min(least, s.mtu(e))
		}
	}
	if pinned {
		return tbtest.MTU
	}
	return least
}

func (s *simulation) answers(node string) bool {
	return !s.is(tbtest.NodeDown, node, "") && !s.is(tbtest.NoBridge, node, "")
}

func (s *simulation) ping(a, b string, full bool) thunderbolt.Ping {
	p := thunderbolt.Ping{To: b, Full: full, Sent: 9}
	if !s.answers(a) {
		return thunderbolt.Ping{To: b, Full: full, Said: "connect: Network is unreachable"}
	}
	if next := s.nodes[(slices.Index(s.nodes, a)+1)%len(s.nodes)]; s.is(tbtest.Duplicate, a, "") && next == b {
		p.Received = p.Sent // it answers itself
		return p
	}
	if next := s.nodes[(slices.Index(s.nodes, b)+1)%len(s.nodes)]; s.is(tbtest.Duplicate, b, "") && next == a {
		return p // its answer goes to itself
	}
	if full && s.bridgeMTU(a) < tbtest.MTU {
		p.Said = "message too long, mtu=1500"
		return p
	}
	there, back := s.way(a, b), s.way(b, a)
	if !s.answers(b) || there == nil || back == nil {
		return p
	}
	p.Received = p.Sent
	for i, e := range slices.Concat(there, back) {
		to := s.other(e)
		if s.is(tbtest.Loss, to.Node, to.Interface) {
			p.Received = 6
		}
		big := full && (i < len(there) || s.bridgeMTU(b) == tbtest.MTU)
		if big && min(s.mtu(e), s.mtu(to)) < tbtest.MTU {
			p.Received = 0
			return p
		}
	}
	if s.looped() {
		p.Received = min(p.Received, 7)
	}
	return p
}

// flood counts what a broadcast of the node leaves at the ports.
func (s *simulation) flood(node string) {
	been := map[tbtest.End]bool{}
	var go1 func(at string, came tbtest.End)
	go1 = func(at string, came tbtest.End) {
		for _, e := range s.ends(at) {
			to := s.other(e)
			if e == came || been[e] || !s.member(e) || !s.ports[e].forwarding || !s.arrives(e) {
				continue
			}
			been[e] = true
			s.ports[to].rx += 10
			if s.member(to) && s.ports[to].forwarding {
				go1(to.Node, to)
			}
		}
	}
	go1(node, tbtest.End{})
}
