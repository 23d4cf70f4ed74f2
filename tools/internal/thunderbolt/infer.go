package thunderbolt

import (
	"fmt"
	"slices"
)

// offer is what a neighbour says of the tree to a node that was not seen.
type offer struct {
	end, far End
	port     Port   // of the neighbour
	heard    uint64 // packets that it received from the node
	counted  bool
}

// infer finds what a node that was not seen does with its ports, from what its
// neighbours hear. Where they follow it, it leads. Where they all lead, it
// follows the best of them and shuts the others, over which it is silent then.
func (m *mind) infer(n PlanNode) {
	if m.seen[n.Name].judged() || m.down[n.Name] {
		return
	}
	var leading, following []offer // neighbours
	for _, name := range n.Interfaces {
		end := End{n.Name, name}
		c := m.cable(end)
		if c == nil {
			continue
		}
		o := offer{end: end, far: c.other(end)}
		l, _, judged := m.link(o.far)
		if !judged {
			return
		}
		if !m.sound(o.far) {
			continue
		}
		s := m.seen[o.far.Node]
		o.port, o.heard, o.counted = l.Port, s.Passed[o.far.Interface].Received, s.Passed != nil
		switch {
		case !s.Links[m.plan.Bridge].Tree.On:
			return // what it says of the tree is old
		case m.follows(o.far):
			following = append(following, o)
		default:
			leading = append(leading, o)
		}
	}
	if through, ok := m.passedOn(n, following); ok {
		m.fault(Fault{Kind: STPOff, Severity: Error, End: End{Node: n.Name}, Evidence: []string{through, clean(n.Name) + " itself could not be looked at"},
			What: fmt.Sprintf("%s %s runs without spanning tree", clean(n.Name), clean(m.plan.Bridge)),
			Mend: []string{on(n.Name, "ip link set %s type bridge stp_state 1", clean(m.plan.Bridge))}})
		for _, o := range slices.Concat(leading, following) {
			m.blocked[o.end] = false
		}
		return
	}
	slices.SortFunc(leading, func(a, b offer) int { return leads(a.port, b.port) })
	if len(following) > 0 {
		m.overheard(leading, following[0])
		return
	}
	m.chosen(n, leading)
}

// passedOn tells whether a neighbour follows a bridge that stands beyond the
// node: only a bridge without spanning tree lets that through.
func (m *mind) passedOn(n PlanNode, following []offer) (string, bool) {
	for _, o := range following {
		for _, beyond := range m.plan.Nodes {
			s := m.seen[beyond.Name]
			if beyond.Name != n.Name && s.judged() && s.Links[m.plan.Bridge].Tree.Self == o.port.Designated {
				return fmt.Sprintf("spanning tree: %s follows %s through %s", o.far, clean(beyond.Name), clean(n.Name)), true
			}
		}
	}
	return "", false
}

// overheard judges neighbours that lead, of a node that leads elsewhere: if its
// claim is better than theirs, they have not heard it.
func (m *mind) overheard(leading []offer, elsewhere offer) {
	for _, o := range leading {
		claim := elsewhere.port
		claim.From = 0 // of two ports of one bridge each is better than another bridge's
		if leads(claim, o.port) < 0 {
			m.unheardEnd(o, fmt.Sprintf("spanning tree: %s follows %s, and %s has not heard it", elsewhere.far, clean(o.end.Node), o.far))
		}
	}
}

// chosen judges the ports of a node whose neighbours all lead, the best first.
func (m *mind) chosen(n PlanNode, leading []offer) {
	const few = 5 // what an interface may say for itself, past its bridge
	for i, o := range leading {
		m.blocked[o.end] = i > 0
	}
	if len(leading) < 2 || !leading[0].counted || !leading[1].counted || leading[1].heard < few {
		return
	}
	// It speaks where it should be silent: there is a neighbour that it does not
	// hear. If it hears the best, packets go round that way, and arrive where it
	// should be silent; if not, the other way.
	best, second := leading[0], leading[1]
	m.blocked[second.end] = false
	if best.heard < few {
		m.unheardEnd(best, fmt.Sprintf("%s received %d packets, and %s %d", best.far, best.heard, second.far, second.heard))
		return
	}
	deaf := best
	if second.heard > best.heard {
		deaf = second
	}
	m.oneWay(m.cable(deaf.far), deaf.far, deaf.end, fmt.Sprintf("spanning tree: %s should shut %s or %s, and sends on both: %d and %d packets arrived",
		clean(n.Name), best.end, second.end, best.heard, second.heard))
}

func (m *mind) unheardEnd(o offer, evidence string) {
	m.fault(Fault{Kind: Unheard, Severity: Error, End: o.end, Cable: m.cable(o.end), Evidence: []string{evidence, clean(o.end.Node) + " itself could not be looked at"},
		What: fmt.Sprintf("nothing is heard of %s %s: it is not in its bridge, or what it sends is lost", clean(o.end.Node), clean(o.end.Interface)),
		Mend: []string{on(o.end.Node, "ip link set %s master %s", clean(o.end.Interface), clean(m.plan.Bridge))}})
}
