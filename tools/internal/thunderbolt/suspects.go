package thunderbolt

import (
	"cmp"
	"fmt"
	"slices"
)

// suspect is a cable (by number) or a node that may be to blame.
type suspect struct {
	cable int // -1: a node
	node  string
}

// blame is the smallest set of suspects that touches every bad pair, and none
// that a good pair clears. Of sets of one size the first by preference wins.
func (m *mind) blame(bad, good []pair, preference func(suspect) int) []suspect {
	var suspects []suspect
	for i := range m.cables {
		if !slices.ContainsFunc(good, func(p pair) bool { _, all := m.crosses(p, i); return all }) {
			suspects = append(suspects, suspect{cable: i})
		}
	}
	for _, n := range m.plan.Nodes {
		if !slices.ContainsFunc(good, func(p pair) bool { return p.a == n.Name || p.b == n.Name }) {
			suspects = append(suspects, suspect{-1, n.Name})
		}
	}
	slices.SortStableFunc(suspects, func(a, b suspect) int { return cmp.Compare(preference(a), preference(b)) })
	for size := 1; size <= 3; size++ {
		if set := m.cover(bad, suspects, size); set != nil {
			return set
		}
	}
	return nil
}

// unseenFirst prefers nodes that could not be looked at to cables, and these to
// other nodes.
func (m *mind) unseenFirst(s suspect) int {
	switch {
	case s.cable >= 0:
		return 1
	case m.seen[s.node].judged() || m.speaks(s.node):
		return 2
	}
	return 0
}

// cablesFirst is for what nodes do not do.
func cablesFirst(s suspect) int {
	if s.cable >= 0 {
		return 0
	}
	return 1
}

// speaks tells whether a neighbour hears the node in spanning tree: then its
// bridge is at work.
func (m *mind) speaks(node string) bool {
	return slices.ContainsFunc(m.cables, func(c Cable) bool {
		return c[0].Node == node && m.follows(c[1]) && m.sound(c[1]) || c[1].Node == node && m.follows(c[0]) && m.sound(c[0])
	})
}

// cover finds size suspects that touch all pairs; nil: none do.
func (m *mind) cover(bad []pair, suspects []suspect, size int) []suspect {
	if len(bad) == 0 {
		return []suspect{}
	}
	if size == 0 {
		return nil
	}
	for i, s := range suspects {
		rest := slices.DeleteFunc(slices.Clone(bad), func(p pair) bool { return m.touches(s, p) })
		if len(rest) == len(bad) {
			continue
		}
		if set := m.cover(rest, suspects[i+1:], size-1); set != nil {
			return append([]suspect{s}, set...)
		}
	}
	return nil
}

func (m *mind) touches(s suspect, p pair) bool {
	if s.cable < 0 {
		return p.a == s.node || p.b == s.node
	}
	any, _ := m.crosses(p, s.cable)
	return any
}

func (m *mind) touched(s suspect, pairs []pair) []pair {
	return slices.DeleteFunc(slices.Clone(pairs), func(p pair) bool { return !m.touches(s, p) })
}

// deadEnds names what lets nothing pass though it looks well.
func (m *mind) deadEnds(bad, good []pair) {
	bad = m.disowned(bad, good)
	if len(bad) == 0 {
		return
	}
	set := m.blame(bad, good, m.unseenFirst)
	for _, s := range set {
		evidence := m.said(m.touched(s, bad), false)
		if s.cable >= 0 {
			c := &m.cables[s.cable]
			m.fault(Fault{Kind: Dead, Severity: Critical, Cable: c, Evidence: evidence,
				What: fmt.Sprintf("nothing passes the cable %s, and both its ends look well", c),
				Mend: []string{fmt.Sprintf("plug the cable between %s and %s anew", clean(c[0].Node), clean(c[1].Node))}})
			continue
		}
		m.fault(Fault{Kind: Mute, Severity: Critical, End: End{Node: s.node}, Evidence: evidence,
			What: fmt.Sprintf("%s does not answer in the Thunderbolt network: its bridge, its address or its firewall", clean(s.node)),
			Mend: []string{on(s.node, "ip -br addr; bridge link; nft list ruleset")}})
	}
	if set == nil {
		m.fault(Fault{Kind: Dead, Severity: Critical, Evidence: m.said(bad, false), What: "pings are lost, and no cable or node explains which",
			Mend: []string{"ip -d link; bridge -d link; ip neigh (on every node)"}})
	}
}

// disowned takes out pairs in which a node that could not be looked at answers
// all but one: who has the address of that one too sends the answer to itself.
func (m *mind) disowned(bad, good []pair) []pair {
	return slices.DeleteFunc(slices.Clone(bad), func(p pair) bool {
		answers := slices.ContainsFunc(good, func(g pair) bool { return g.b == p.b })
		reaches := slices.ContainsFunc(good, func(g pair) bool { return g.a == p.a })
		through := slices.ContainsFunc(good, func(g pair) bool { return g.a == p.a && slices.Contains(good, pair{g.b, p.b}) })
		if m.seen[p.b].judged() || !answers || !reaches || !through {
			return false
		}
		m.fault(Fault{Kind: Duplicate, Severity: Error, End: End{p.b, m.plan.Bridge}, Evidence: append(m.said([]pair{p}, false), clean(p.b)+" itself could not be looked at"),
			What: fmt.Sprintf("%s answers others over the same way, and not %s: it has the address of %s too, or filters it", clean(p.b), clean(p.a), clean(p.a)),
			Mend: []string{on(p.b, "ip -br addr; nft list ruleset")}})
		return true
	})
}

// fullSize names where full-size packets are lost though every MTU that is
// known would let them pass.
func (m *mind) fullSize(bad, good []pair) {
	for _, s := range m.blame(bad, good, m.unseenFirst) {
		f := Fault{Kind: FullSize, Severity: Error, End: End{Node: s.node}, Evidence: m.said(m.touched(s, bad), true)}
		if s.cable >= 0 {
			f.Cable = &m.cables[s.cable]
			f.What = fmt.Sprintf("full-size packets do not pass the cable %s", f.Cable)
			for _, e := range f.Cable {
				if !m.seen[e.Node].judged() {
					f.End = e
				}
			}
			f.Mend = []string{"ip link set INTERFACE mtu " + fmt.Sprint(m.plan.MTU) + " (at both ends, and what is between)"}
		} else {
			f.What = fmt.Sprintf("full-size packets do not reach %s", clean(s.node))
			f.Mend = []string{on(s.node, "ip -d link (the MTU of its bridge and of every member must be %d)", m.plan.MTU)}
		}
		m.fault(f)
	}
}

// loses names cables that lose packets.
func (m *mind) loses(bad, good []pair) {
	set := m.blame(bad, good, cablesFirst)
	if set == nil {
		// At a small loss some pairs are lucky, and clear nothing.
		set = m.blame(bad, nil, cablesFirst)
	}
	if m.mayLoop(bad, set) {
		return
	}
	for _, s := range set {
		evidence := append(m.said(m.touched(s, bad), false), m.said(m.touched(s, bad), true)...)
		f := Fault{Kind: Loss, Severity: Error, End: End{Node: s.node}, Evidence: evidence, What: fmt.Sprintf("packets are lost at %s", clean(s.node)),
			Mend: []string{on(s.node, "ip -s link; nft list ruleset")}}
		if s.cable >= 0 {
			f.Cable = &m.cables[s.cable]
			f.What = fmt.Sprintf("packets are lost on the cable %s", f.Cable)
			f.Mend = []string{fmt.Sprintf("plug the cable between %s and %s anew, or replace it", clean(f.Cable[0].Node), clean(f.Cable[1].Node))}
		}
		m.fault(f)
	}
}

// mayLoop tells whether packets may well go round through a node that was not
// seen, which explains losses everywhere by one thing.
func (m *mind) mayLoop(bad []pair, set []suspect) bool {
	if i := slices.IndexFunc(m.faults, func(f Fault) bool { return f.Kind == Unheard }); i >= 0 {
		m.faults[i].Evidence = append(m.faults[i].Evidence, m.said(bad, false)...)
		m.note("packets are lost: perhaps they go round through %s, if it hears what others send", clean(m.faults[i].Node))
		return true
	}
	if len(set) < 2 {
		return false
	}
	for _, n := range m.plan.Nodes {
		for _, name := range n.Interfaces {
			if m.blocked[End{n.Name, name}] {
				m.fault(Fault{Kind: Loop, Severity: Critical, End: End{Node: n.Name}, Evidence: m.said(bad, false),
					What: fmt.Sprintf("packets are lost everywhere: they go round through %s, which does not hear a neighbour or is not heard", clean(n.Name)),
					Mend: []string{fmt.Sprintf("unplug one cable of %s now; then look at its: bridge -d link", clean(n.Name))}})
				return true
			}
		}
	}
	return false
}
