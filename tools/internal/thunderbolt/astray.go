package thunderbolt

import (
	"fmt"
	"slices"
)

// astray says which bridge on the way from p.a to p.b sends elsewhere what is
// for p.b, since it has not forgotten where that was before the tree changed.
// Linux forgets with a timer that a change does not wind up: for minutes, or
// until the sender gives its neighbour up and asks everybody. before is the cable
// to which the way is followed; -1: to its end. Empty: it is led as it should be,
// or to all.
func (m *mind) astray(p pair, before int) string {
	ways := m.paths(p)
	if m.loop || m.plan.Routed || len(ways) != 1 {
		return ""
	}
	mac := m.sentTo(p)
	at := p.a
	for _, i := range ways[0] {
		out := m.cables[i][0]
		if out.Node != at {
			out = m.cables[i][1]
		}
		if on := m.learned(at, mac); len(on) > 0 && !slices.Contains(on, out.Interface) {
			return fmt.Sprintf("%s sends what is for %s to %s, and the way leads over %s", clean(at), clean(p.b), clean(on[0]), clean(out.Interface))
		}
		if i == before {
			return ""
		}
		at = m.cables[i].other(out).Node
	}
	return ""
}

// sentTo is the MAC that p.a sends to when it sends to p.b: where p.b could not
// be looked at, the one that p.a knows. Empty: it knows none, and asks everybody.
func (m *mind) sentTo(p pair) string {
	if s := m.seen[p.b]; s.judged() {
		return s.Links[m.plan.Bridge].Address
	}
	return m.knows(p.a, *m.plan.Node(p.b))
}

// learned are the members of the node's bridge behind which it has learned mac.
func (m *mind) learned(node, mac string) []string {
	s := m.seen[node]
	if mac == "" || !s.judged() {
		return nil
	}
	var on []string
	for _, l := range s.Learned {
		if l.MAC == mac && s.Links[l.Interface].Master == m.plan.Bridge {
			on = append(on, l.Interface)
		}
	}
	return on
}

// led tells whether anything that was sent had to pass the cable i from the end
// from: else that nothing arrived says nothing. Of the pairs that are lost one
// whose packets are led there is enough.
func (m *mind) led(gone []pair, i int, from End) bool {
	any := false
	for _, p := range gone {
		if !m.towards(p, i, from) {
			continue
		}
		if m.astray(p, i) == "" {
			return true
		}
		any = true
	}
	return !any
}

// towards tells whether the one way of the pair leaves from over the cable i.
func (m *mind) towards(p pair, i int, from End) bool {
	ways := m.paths(p)
	if len(ways) != 1 {
		return false
	}
	at := p.a
	for _, k := range ways[0] {
		if k == i {
			return at == from.Node
		}
		c := m.cables[k]
		if c[0].Node == at {
			at = c[1].Node
		} else {
			at = c[0].Node
		}
	}
	return false
}

// misled takes out the pairs whose packets, or the answers to them, went astray.
func (m *mind) misled(pairs []pair) (rest, misled []pair) {
	for _, p := range pairs {
		if m.astray(p, -1) == "" && m.astray(pair{p.b, p.a}, -1) == "" {
			rest = append(rest, p)
		} else {
			misled = append(misled, p)
		}
	}
	return rest, misled
}

// strayed tells of pairs that went astray.
func (m *mind) strayed(pairs []pair) {
	if len(pairs) == 0 {
		return
	}
	var evidence []string
	for _, p := range pairs {
		for _, said := range []string{m.astray(p, -1), m.astray(pair{p.b, p.a}, -1)} {
			if said != "" && !slices.Contains(evidence, said) {
				evidence = append(evidence, said)
			}
		}
	}
	m.fault(Fault{Kind: Astray, Severity: Error, Evidence: append(evidence, m.said(pairs, false)...),
		What: "bridges still send where the way led before spanning tree changed: what is lost cannot be judged yet",
		Mend: []string{"check again in a minute; if it is still so: bridge fdb show (on the nodes named)",
			"if it comes back: ip -6 addr (a member of the bridge with an address of its own sends also where it blocks; sysctl net.ipv6.conf.NAME.disable_ipv6=1)"}})
}
