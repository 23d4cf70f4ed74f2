package thunderbolt

import (
	"fmt"
	"slices"
	"strings"
)

// pair is two nodes whose pings were judged, from a to b.
type pair struct{ a, b string }

// residue finds what no node's state shows, from the pings that the faults found
// so far do not explain.
func (m *mind) residue() {
	var all, dead, gone, stuck, lossy []pair
	for _, a := range m.plan.Nodes {
		for _, b := range m.plan.Nodes {
			p := pair{a.Name, b.Name}
			if p.a == p.b || !m.seen[p.a].judged() || !m.expected(p) {
				continue
			}
			small, full := m.ping(a.Name, b.Name, false), m.ping(a.Name, b.Name, true)
			if small == nil || small.Sent == 0 {
				m.unpinged(p, small)
				continue
			}
			claimed := m.claimed[p.a] != "" || m.claimed[p.b] != ""
			if m.claimed[p.b] != p.a {
				all = append(all, p) // else it has answered itself, which clears nothing
			}
			if small.Received == 0 {
				gone = append(gone, p)
			}
			back := m.ping(b.Name, a.Name, false)
			switch {
			case small.Received == 0 && claimed:
				// Who has the address of another answers for it, or gets its
				// answers.
			case small.Received == 0 && back != nil && back.Received > 0:
				// An answer goes both ways: what comes back at all is a loss.
				lossy = append(lossy, p)
			case small.Received == 0:
				dead = append(dead, p)
			case small.Received < small.Sent || full != nil && full.Received > 0 && full.Received < full.Sent:
				lossy = append(lossy, p)
			}
			if small.Received > 0 && full != nil && full.Received == 0 && !claimed {
				stuck = append(stuck, p)
			}
		}
	}
	if m.has(End{}, Settling) {
		return
	}
	m.byCounters(gone)
	if m.loop {
		m.muted(dead)
		return
	}
	good := without(all, gone)
	dead, astray := m.misled(dead)
	lossy, also := m.misled(lossy)
	m.strayed(m.unexplained(append(astray, also...), OneWay, Unheard))
	if rest := m.unexplained(dead, OneWay, Unheard); len(rest) > 0 {
		m.deadEnds(rest, good)
	}
	if rest := m.unexplainedSize(stuck); len(rest) > 0 {
		m.fullSize(rest, without(good, stuck))
	}
	// A cable that is dead one way also loses.
	if rest := m.unexplained(lossy, OneWay, Unheard, Dead); len(rest) > 0 {
		m.loses(rest, without(good, lossy))
	}
}

// unpinged tells of pings that were not made: without them nothing is healthy.
func (m *mind) unpinged(p pair, g *Ping) {
	evidence := "no ping to " + clean(p.b)
	if g != nil && g.Said != "" {
		evidence += ": " + g.Said
	}
	for i := range m.faults {
		if m.faults[i].Kind == Unpinged && m.faults[i].Node == p.a {
			m.faults[i].Evidence = append(m.faults[i].Evidence, evidence)
			return
		}
	}
	m.fault(Fault{Kind: Unpinged, Severity: Error, End: End{Node: p.a}, Evidence: []string{evidence},
		What: fmt.Sprintf("%s did not ping the others, so that nothing is known of what it can reach", clean(p.a)),
		Mend: []string{on(p.a, "ping -c 3 ADDRESS (is iputils-ping installed, and may the user ping?)")}})
}

func without(all, some []pair) []pair {
	return slices.DeleteFunc(slices.Clone(all), func(p pair) bool { return slices.Contains(some, p) })
}

// unexplained leaves the pairs that no fault of the kinds touches.
func (m *mind) unexplained(pairs []pair, kinds ...Kind) []pair {
	return slices.DeleteFunc(slices.Clone(pairs), func(p pair) bool {
		return slices.ContainsFunc(m.faults, func(f Fault) bool {
			if !slices.Contains(kinds, f.Kind) {
				return false
			}
			if f.Cable == nil {
				return f.Node == p.a || f.Node == p.b
			}
			any, _ := m.crosses(p, slices.Index(m.cables, *f.Cable))
			return any
		})
	})
}

// unexplainedSize leaves the pairs whose ways have the full MTU everywhere.
func (m *mind) unexplainedSize(pairs []pair) []pair {
	return slices.DeleteFunc(slices.Clone(pairs), func(p pair) bool {
		return slices.ContainsFunc(m.faults, func(f Fault) bool {
			if f.Kind != MTULow && f.Kind != BridgeMTU {
				return false
			}
			if f.Node == p.a || f.Node == p.b {
				// The node's own bridge, or a member that the bridge follows.
				return true
			}
			if f.Cable == nil {
				return false
			}
			any, _ := m.crosses(p, slices.Index(m.cables, *f.Cable))
			return any
		})
	})
}

// byCounters finds cables on which one end hears nothing while the other does.
// Every pair that works sends something both ways over each cable between; what
// a bridge led astray did not come to pass it.
func (m *mind) byCounters(dead []pair) {
	for i := range m.cables {
		c := &m.cables[i]
		if !m.carries(*c) || m.plan.Routed {
			continue
		}
		touched := m.loop || slices.ContainsFunc(dead, func(p pair) bool { any, _ := m.crosses(p, i); return any })
		for k, to := range c {
			from := c[1-k]
			s, other := m.seen[to.Node], m.seen[from.Node]
			if !touched || !s.judged() || !other.judged() || s.Passed == nil || other.Passed == nil || m.mute[from.Node] {
				continue
			}
			in, back := s.Passed[to.Interface].Received, other.Passed[from.Interface].Received
			// That both hear nothing may have a reason; that one of two does not
			// hear, and spanning tree says the same of the other, has one.
			if in == 0 && (back > 0 || m.has(to, OneWay)) && (m.loop || m.led(dead, i, from)) {
				known := m.has(from, OneWay)
				m.oneWay(c, from, to, fmt.Sprintf("while the pings went, %s received no packet and %s %d", to, from, back))
				if !known {
					m.faults[len(m.faults)-1].moment = true
				}
			}
		}
	}
}

// said is the pings of the pairs as evidence.
func (m *mind) said(pairs []pair, full bool) []string {
	var all []string
	for _, p := range pairs {
		g := m.ping(p.a, p.b, full)
		if g == nil {
			continue
		}
		what := "small"
		if full {
			what = "full-size"
		}
		line := fmt.Sprintf("%s to %s: %d of %d %s packets came back", clean(p.a), clean(p.b), g.Received, g.Sent, what)
		if g.Said != "" {
			line += " (" + strings.TrimSpace(g.Said) + ")"
		}
		all = append(all, line)
	}
	return all
}
