package tbcli

import (
	"cmp"
	"slices"

	"github.com/railiance/railiance/tools/internal/tbtest"
	"github.com/railiance/railiance/tools/internal/thunderbolt"
)

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
