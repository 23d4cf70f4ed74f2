package thunderbolt

import (
	"fmt"
	"net/netip"
	"slices"
)

// routes judges a network without a bridge: every node must know a way to every
// other one, through an interface of this network.
func (m *mind) routes() {
	for _, n := range m.plan.Nodes {
		s := m.seen[n.Name]
		if !s.judged() {
			continue
		}
		for _, to := range m.plan.Nodes {
			if to.Name == n.Name || m.down[to.Name] {
				continue
			}
			for _, a := range to.Addresses {
				if slices.ContainsFunc(s.Routes, func(r Route) bool { return r.To.Contains(a.Addr()) && slices.Contains(n.Interfaces, r.Device) }) {
					continue
				}
				if m.away(to.Name) || m.away(n.Name) {
					continue
				}
				m.lost(n.Name, to.Name, a)
			}
		}
	}
}

// lost adds a missing route to the fault of its node.
func (m *mind) lost(from, to string, a netip.Prefix) {
	evidence := fmt.Sprintf("no route to %s of %s", a.Addr(), clean(to))
	for i := range m.faults {
		if m.faults[i].Kind == NoRoute && m.faults[i].Node == from {
			m.faults[i].Evidence = append(m.faults[i].Evidence, evidence)
			return
		}
	}
	f := m.fault(Fault{Kind: NoRoute, Severity: Critical, End: End{Node: from}, Evidence: []string{evidence},
		What: fmt.Sprintf("%s knows no way through Thunderbolt to every node", clean(from)),
		Mend: []string{on(from, "vtysh -c 'show openfabric neighbor'"), on(from, "systemctl restart frr")}})
	f.Evidence = append(f.Evidence, cleanAll(m.seen[from].Fabric)...)
}

// away tells whether no cable of the node carries: then routes must be missing.
func (m *mind) away(node string) bool {
	for _, part := range m.parts(m.whole) {
		if len(part) == 1 && part[0] == clean(node) {
			return true
		}
	}
	return false
}
