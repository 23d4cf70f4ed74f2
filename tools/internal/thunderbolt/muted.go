package thunderbolt

import (
	"fmt"
	"net/netip"
	"slices"
)

// muted finds a node that hears others and is heard by nobody, where there are
// no counters to tell the cable.
func (m *mind) muted(dead []pair) {
	for _, n := range m.plan.Nodes {
		s := m.seen[n.Name]
		if !s.judged() || s.Passed != nil || len(m.plan.Nodes) < 3 {
			continue
		}
		silent, hears, heard := 0, 0, 0
		for _, o := range m.plan.Nodes {
			if o.Name == n.Name {
				continue
			}
			if slices.Contains(dead, pair{n.Name, o.Name}) && slices.Contains(dead, pair{o.Name, n.Name}) {
				silent++
			}
			if m.knows(n.Name, o) != "" {
				hears++
			}
			if m.knows(o.Name, n) != "" {
				heard++
			}
		}
		if silent < len(m.plan.Nodes)-1 || hears == 0 || heard > 0 {
			continue
		}
		m.faults = slices.DeleteFunc(m.faults, func(f Fault) bool { return f.Kind == OneWay && f.Node == n.Name })
		m.fault(Fault{Kind: OneWay, Severity: Critical, End: End{Node: n.Name},
			What:     fmt.Sprintf("nothing that %s sends arrives at any node, and it hears them", clean(n.Name)),
			Evidence: []string{fmt.Sprintf("%s knows the MAC of %d nodes, and no node knows its", clean(n.Name), hears), "no ping from or to it comes back"},
			Mend:     []string{on(n.Name, "tc qdisc show; nft list ruleset (what drops what it sends?)"), fmt.Sprintf("or plug the cables of %s anew", clean(n.Name))}})
	}
}

// knows is the MAC that node has of other. Empty: it has asked in vain, or never.
func (m *mind) knows(node string, other PlanNode) string {
	for _, k := range m.seen[node].Neighbours {
		if k.MAC != "" && slices.ContainsFunc(other.Addresses, func(a netip.Prefix) bool { return a.Addr() == k.Address }) {
			return k.MAC
		}
	}
	return ""
}
