package thunderbolt

import (
	"fmt"
	"slices"
	"strings"
)

// The states of a cable.
const (
	Carries = "carries"
	Blocks  = "blocks"
	Broken  = "broken"
	Unseen  = "unknown"
)

func (m *mind) ring() []CableSeen {
	var all []CableSeen
	for _, c := range m.cables {
		state := Carries
		_, _, a := m.link(c[0])
		_, _, b := m.link(c[1])
		switch {
		case !m.whole(c):
			state = Broken
		case !m.carries(c):
			state = Blocks
		case !a && !b:
			state = Unseen
		}
		if slices.ContainsFunc(m.faults, func(f Fault) bool {
			return f.Cable != nil && *f.Cable == c && slices.Contains([]Kind{OneWay, Unheard, Dead, LinkDown, NoCarrier}, f.Kind)
		}) {
			state = Broken
		}
		all = append(all, CableSeen{c, state})
	}
	return all
}

// consequences says what the faults mean for the network as a whole.
func (m *mind) consequences() {
	var unseen []string
	for _, n := range m.plan.Nodes {
		if !m.seen[n.Name].judged() && !m.down[n.Name] {
			unseen = append(unseen, clean(n.Name))
		}
	}
	if m.quickest() > slow {
		m.note("ssh to every node was slow: this machine is busy, or the management network is")
	}
	if len(unseen) > 0 {
		m.note("%s could not be looked at: what is wrong inside is not judged", names(unseen))
	}
	if !m.allCables() {
		m.note("only %d cables could be found: declare them in the context", len(m.cables))
		return
	}
	var open []string
	for _, c := range m.cables {
		if !m.whole(c) || m.unheardCable(c) {
			open = append(open, fmt.Sprintf("between %s and %s", clean(c[0].Node), clean(c[1].Node)))
		}
	}
	parts := slices.DeleteFunc(m.parts(m.whole), func(part []string) bool {
		return len(part) == 1 && m.down[part[0]]
	})
	switch {
	case len(parts) > 1:
		var all []string
		for _, p := range parts {
			all = append(all, strings.Join(p, "+"))
		}
		m.note("the nodes are apart: %s", strings.Join(all, " | "))
		for i := range m.faults {
			if slices.Contains([]Kind{LinkDown, NoCarrier, Removed, Missing, NoBridge, NodeDown}, m.faults[i].Kind) {
				m.faults[i].Severity = Critical
			}
		}
	case len(open) > 0 && len(m.cables) >= len(m.plan.Nodes):
		m.note("ring open %s; no redundancy left", strings.Join(open, " and "))
	}
}

// allCables tells whether every interface has its cable.
func (m *mind) allCables() bool {
	ends := 0
	for _, n := range m.plan.Nodes {
		ends += len(n.Interfaces)
	}
	return 2*len(m.cables) >= ends
}
