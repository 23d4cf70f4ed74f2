package tbcli

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

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

func (s *simulation) self(node string) thunderbolt.BridgeID {
	i := slices.Index(s.nodes, node) + 1
	return thunderbolt.BridgeID(uint64(4096*i)<<48 | uint64(i))
}

// message is what a bridge says of the tree.
type message struct {
	root   thunderbolt.BridgeID
	cost   int
	bridge thunderbolt.BridgeID
	port   int
}

func (a message) compare(b message) int {
	return cmp.Or(cmp.Compare(a.root, b.root), cmp.Compare(a.cost, b.cost), cmp.Compare(a.bridge, b.bridge), cmp.Compare(a.port, b.port))
}

// spanningTree lets the bridges talk until they have forgotten how it began.
func (s *simulation) spanningTree() {
	said := map[tbtest.End]*message{}
	for range 60 {
		heard := map[tbtest.End][]message{}
		for e, m := range said {
			s.deliver(heard, e, *m, map[tbtest.End]bool{})
		}
		next := map[tbtest.End]*message{}
		for _, node := range s.nodes {
			s.think(node, heard, next)
		}
		said = next
	}
}

// deliver brings m to whom it reaches: a bridge without spanning tree passes it
// on.
func (s *simulation) deliver(heard map[tbtest.End][]message, from tbtest.End, m message, been map[tbtest.End]bool) {
	to := s.other(from)
	if been[from] || !s.arrives(from) || !s.member(from) || !s.member(to) {
		return
	}
	been[from] = true
	if !s.is(tbtest.STPOff, to.Node, "") {
		heard[to] = append(heard[to], m)
		return
	}
	for _, e := range s.ends(to.Node) {
		if e != to && s.member(e) {
			s.deliver(heard, e, m, been)
		}
	}
}

func (s *simulation) think(node string, heard map[tbtest.End][]message, next map[tbtest.End]*message) {
	self := s.self(node)
	mine := message{root: self, bridge: self}
	var root tbtest.End
	best := message{}
	for _, e := range s.ends(node) {
		for _, m := range heard[e] {
			// Old news dies with the distance.
			if s.is(tbtest.STPOff, node, "") || m.root >= self || m.cost > 40 {
				continue
			}
			m.cost += 2
			if root.Node == "" || cmp.Or(m.compare(best), cmp.Compare(s.ports[e].id, s.ports[root].id)) < 0 {
				root, best = e, m
				mine.root, mine.cost = m.root, m.cost
			}
		}
	}
	for _, e := range s.ends(node) {
		p := s.ports[e]
		p.forwarding = s.member(e)
		if s.is(tbtest.STPOff, node, "") {
			continue
		}
		m := mine
		m.port = p.id
		lead := m
		for _, h := range heard[e] {
			if h.compare(lead) < 0 {
				lead = h
			}
		}
		p.root, p.cost, p.designated, p.from = lead.root, lead.cost, lead.bridge, lead.port
		if lead == m {
			next[e] = &m
		} else if e != root {
			p.forwarding = false
		}
	}
}

func (s *simulation) passes(from tbtest.End) bool {
	to := s.other(from)
	return s.member(from) && s.member(to) && s.ports[from].forwarding && s.ports[to].forwarding && s.arrives(from)
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

// everywhere are all faults that a ring of n nodes can have.
func everywhere(n int) []tbtest.Fault {
	var all []tbtest.Fault
	for _, k := range tbtest.Kinds() {
		for _, node := range order()[:n] {
			all = append(all, at(k, node, "thunderbolt0"))
			if k.OfInterface() {
				all = append(all, at(k, node, "thunderbolt1"))
			}
		}
	}
	return all
}

// same tells whether two observations show the same.
func same(a, b thunderbolt.Observation) bool {
	show := func(o thunderbolt.Observation) string {
		var text strings.Builder
		for _, n := range order() {
			if o[n] != nil {
				fmt.Fprintf(&text, "%+v\n", *o[n])
			}
		}
		return text.String()
	}
	return show(a) == show(b)
}

// Every fault at every place, alone and with every other one at every place, is
// found and nothing else is, as long as anybody could see it.
func TestSimulatedPairs(t *testing.T) {
	defer func(was int) { ring = was }(ring)
	for _, n := range []int{3, 5} {
		ring = n
		all := everywhere(n)
		var table strings.Builder
		wrong, hiddenPairs := 0, 0
		for i, a := range all {
			for _, b := range all[i:] {
				faults := []tbtest.Fault{a, b}
				if a == b {
					faults = faults[:1]
				}
				plan, seen := simulate(n, faults...)
				complaint, hidden := judgePaper(n, faults, thunderbolt.Diagnose(plan, seen), seen)
				if hidden {
					hiddenPairs++
				}
				if complaint != "" {
					wrong++
					fmt.Fprintf(&table, "%s: %s\n", planted(faults), complaint)
				}
			}
		}
		t.Logf("%d nodes: %d faults, %d wrong, %d with a fault that nobody can see", n, len(all), wrong, hiddenPairs)
		if wrong > 0 {
			t.Errorf("%d nodes: %d wrong:\n%s", n, wrong, table.String()[:min(6000, table.Len())])
		}
	}
}

func hiddenBy(p tbtest.Fault, all []tbtest.Fault) bool { return hidden(p, all) != "" }

// judgePaper is judge for a simulation, which knows what can be seen: what
// changes nothing at all when it is healed cannot.
func judgePaper(n int, faults []tbtest.Fault, d thunderbolt.Diagnosis, seen thunderbolt.Observation) (complaint string, hidden bool) {
	var complaints []string
	for _, f := range d.Faults {
		if !slices.ContainsFunc(faults, func(p tbtest.Fault) bool { return names(f, p, faults) }) {
			complaints = append(complaints, "found "+f.ID())
		}
	}
	for i, p := range faults {
		if slices.ContainsFunc(d.Faults, func(f thunderbolt.Fault) bool { return names(f, p, faults) }) {
			continue
		}
		if _, without := simulate(n, slices.Delete(slices.Clone(faults), i, i+1)...); same(seen, without) || hiddenBy(p, faults) {
			hidden = true
			continue
		}
		complaints = append(complaints, p.String()+" not found")
	}
	return strings.Join(complaints, "; "), hidden
}
