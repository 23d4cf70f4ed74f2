package thunderbolt

import (
	"fmt"
	"slices"
)

// sound tells whether an end could carry packets, whatever spanning tree wants:
// it is there, up, lit and in the bridge. Of an unseen node that lives it is
// assumed.
func (m *mind) sound(e End) bool {
	l, there, judged := m.link(e)
	if !judged {
		return !m.down[e.Node]
	}
	return there && l.Up && l.Carrier && (m.plan.Routed || l.Master == m.plan.Bridge && !m.has(End{Node: e.Node}, NoBridge))
}

// forwards tells whether spanning tree lets packets through a sound end.
func (m *mind) forwards(e End) bool {
	l, there, judged := m.link(e)
	if !judged || m.plan.Routed {
		return !m.blocked[e]
	}
	return there && (l.Port.State == "forwarding" || l.Port.State == "")
}

func (m *mind) whole(c Cable) bool { return m.sound(c[0]) && m.sound(c[1]) }

// unheardCable tells whether an end of the cable, of a node that was not seen,
// says nothing.
func (m *mind) unheardCable(c Cable) bool { return m.has(c[0], Unheard) || m.has(c[1], Unheard) }

func (m *mind) carries(c Cable) bool {
	return m.whole(c) && !m.unheardCable(c) && m.forwards(c[0]) && m.forwards(c[1])
}

// tree judges spanning tree.
func (m *mind) tree() {
	if ports := m.unsettled(); len(ports) > 0 {
		m.fault(Fault{Kind: Settling, Severity: Warning, Evidence: ports,
			What: "spanning tree is settling: what it blocks cannot be judged yet",
			Mend: []string{"check again in half a minute; a port that flaps never settles"}})
		return
	}
	for _, n := range m.plan.Nodes {
		m.infer(n)
	}
	m.unheard()
	if m.cyclic() {
		m.looped()
		return
	}
	if !m.allCables() {
		return
	}
	// Whole cables join what spanning tree leaves apart.
	if len(m.parts(m.carries)) <= len(m.parts(m.whole)) {
		return
	}
	var blocked []string
	for _, c := range m.cables {
		for _, e := range c {
			if m.whole(c) && !m.forwards(e) {
				blocked = append(blocked, e.String())
			}
		}
	}
	if slices.ContainsFunc(m.cables, func(c Cable) bool { return !m.whole(c) }) {
		// What it blocked before the ring was opened it lets through only after
		// its max age.
		m.note("spanning tree still blocks %s: the nodes are apart until it takes the other way, 20 seconds by default; check again", names(blocked))
		return
	}
	m.fault(Fault{Kind: TooManyBlock, Severity: Critical, What: fmt.Sprintf("spanning tree blocks more than a ring needs: %s; the nodes are apart", names(blocked)),
		Mend: []string{"find two bridges of one priority and MAC, or one whose ports were set by hand: bridge -d link"}})
}

// unsettled are the ports that spanning tree is about to open.
func (m *mind) unsettled() []string {
	var ports []string
	for _, c := range m.cables {
		for _, e := range c {
			if l, _, _ := m.link(e); m.sound(e) && (l.Port.State == "listening" || l.Port.State == "learning") {
				ports = append(ports, fmt.Sprintf("%s is %s", e, l.Port.State))
			}
		}
	}
	return ports
}

// unheard finds ends that do not hear their neighbour: both ends of a cable
// hold that they lead. Then the one whose claim is the worse has not heard the
// better one.
func (m *mind) unheard() {
	for i := range m.cables {
		c := &m.cables[i]
		a, _, seenA := m.link(c[0])
		b, _, seenB := m.link(c[1])
		if !seenA || !seenB || !m.whole(*c) {
			continue
		}
		treeA, treeB := m.seen[c[0].Node].Links[m.plan.Bridge].Tree, m.seen[c[1].Node].Links[m.plan.Bridge].Tree
		if !treeA.On || !treeB.On || a.Port.Designated == 0 || a.Port.Designated != treeA.Self || b.Port.Designated != treeB.Self {
			continue
		}
		from, to := c[0], c[1]
		if leads(a.Port, b.Port) > 0 {
			from, to = to, from
		}
		m.oneWay(c, from, to, fmt.Sprintf("spanning tree: %s leads, and %s has not heard it", from, to))
	}
}

func (m *mind) oneWay(c *Cable, from, to End, evidence string) {
	for i := range m.faults {
		if m.faults[i].Kind == OneWay && m.faults[i].End == from {
			m.faults[i].Evidence = append(m.faults[i].Evidence, evidence)
			return
		}
	}
	m.fault(Fault{Kind: OneWay, Severity: Error, End: from, Cable: c, Evidence: []string{evidence},
		What: fmt.Sprintf("what %s sends on %s does not arrive at %s", clean(from.Node), clean(from.Interface), to),
		Mend: []string{on(from.Node, "ip link set %s down && ip link set %s up", clean(from.Interface), clean(from.Interface)), fmt.Sprintf("or plug the cable between %s and %s anew", clean(from.Node), clean(to.Node))}})
}

// looped says why packets go round.
func (m *mind) looped() {
	m.loop = true
	m.note("a loop: no port of the ring blocks, so that every broadcast goes round and round")
	explained := false
	for i := range m.faults {
		if k := m.faults[i].Kind; k == STPOff || k == OneWay {
			m.faults[i].Severity = Critical
			explained = true
		}
	}
	if !explained {
		m.fault(Fault{Kind: Loop, Severity: Critical, What: "no port of the ring blocks, and spanning tree does not say why",
			Mend: []string{"pull one cable now; then look at: bridge -d link"}})
	}
}

// cyclic tells whether what carries makes a circle. Ports that nobody knows of
// make none.
func (m *mind) cyclic() bool {
	edges := 0
	for _, c := range m.cables {
		for _, e := range c {
			if _, _, judged := m.link(e); !judged && !m.down[e.Node] {
				if _, inferred := m.blocked[e]; !inferred && !m.follows(c.other(e)) {
					return false
				}
			}
		}
		if m.carries(c) {
			edges++
		}
	}
	return edges > len(m.plan.Nodes)-len(m.parts(m.carries))
}

// follows tells whether the port hears a leader: then the other end forwards.
func (m *mind) follows(e End) bool {
	l, _, judged := m.link(e)
	return judged && l.Port.Designated != 0 && l.Port.Designated != m.seen[e.Node].Links[m.plan.Bridge].Tree.Self
}

// parts are the nodes that live, in the groups that the cables join.
func (m *mind) parts(joins func(Cable) bool) [][]string {
	group := map[string]int{}
	for i, n := range m.plan.Nodes {
		group[n.Name] = i
	}
	for _, c := range m.cables {
		if a, b := group[c[0].Node], group[c[1].Node]; a != b && joins(c) {
			for n, g := range group {
				if g == b {
					group[n] = a
				}
			}
		}
	}
	var parts [][]string
	index := map[int]int{}
	for _, n := range m.plan.Nodes {
		g := group[n.Name]
		if _, there := index[g]; !there {
			index[g] = len(parts)
			parts = append(parts, nil)
		}
		parts[index[g]] = append(parts[index[g]], clean(n.Name))
	}
	return parts
}
