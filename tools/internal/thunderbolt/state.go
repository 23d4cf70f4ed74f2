package thunderbolt

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
)

// node judges what a node says of itself.
func (m *mind) node(n PlanNode) {
	s := m.seen[n.Name]
	bridge, bridged := s.Links[m.plan.Bridge]
	bridged = bridged && (bridge.Kind == "bridge" || bridge.Kind == "")
	if !m.plan.Routed {
		m.bridge(n, bridge, bridged)
	}
	lowered := false // the bridge follows a member
	for _, name := range n.Interfaces {
		end := End{n.Name, name}
		l, there := s.Links[name]
		if !there {
			m.fault(Fault{Kind: Missing, Severity: Error, End: end, Cable: m.cable(end), Evidence: cleanAll(s.Devices),
				What: fmt.Sprintf("%s has no %s: the cable is out, or the driver is not loaded", clean(n.Name), clean(name)),
				Mend: []string{fmt.Sprintf("plug the cable of %s in", end), on(n.Name, "modprobe thunderbolt-net")}})
			continue
		}
		if !l.Up {
			m.fault(Fault{Kind: LinkDown, Severity: Error, End: end, Cable: m.cable(end),
				What: fmt.Sprintf("%s %s is switched off", clean(n.Name), clean(name)),
				Mend: []string{on(n.Name, "ip link set %s up", clean(name))}})
		}
		if bridged && l.Master != m.plan.Bridge {
			what := fmt.Sprintf("%s %s is not in %s", clean(n.Name), clean(name), clean(m.plan.Bridge))
			if l.Master != "" {
				what += ", but in " + clean(l.Master)
			}
			m.fault(Fault{Kind: Removed, Severity: Error, End: end, Cable: m.cable(end), What: what,
				Mend: []string{on(n.Name, "ip link set %s master %s", clean(name), clean(m.plan.Bridge))}})
		}
		if m.plan.MTU != 0 && l.MTU != m.plan.MTU {
			f := m.fault(Fault{Kind: MTULow, Severity: Error, End: end, Cable: m.cable(end),
				What: fmt.Sprintf("%s %s has an MTU of %d instead of %d", clean(n.Name), clean(name), l.MTU, m.plan.MTU),
				Mend: []string{on(n.Name, "ip link set %s mtu %d", clean(name), m.plan.MTU)}})
			if c := m.cable(end); c != nil {
				if far, there, _ := m.link(c.other(end)); there {
					f.Evidence = append(f.Evidence, fmt.Sprintf("the other end, %s, has %d", c.other(end), far.MTU))
				}
			}
			if bridged && l.Master == m.plan.Bridge {
				lowered = lowered || bridge.MTU == l.MTU
				if bridge.MTU == l.MTU {
					f.Evidence = append(f.Evidence, fmt.Sprintf("%s has followed it down to %d", clean(m.plan.Bridge), bridge.MTU))
				} else {
					f.Evidence = append(f.Evidence, fmt.Sprintf("%s still says %d", clean(m.plan.Bridge), bridge.MTU))
				}
			}
		}
	}
	if bridged && m.plan.MTU != 0 && bridge.MTU != m.plan.MTU && !lowered {
		m.fault(Fault{Kind: BridgeMTU, Severity: Error, End: End{n.Name, m.plan.Bridge},
			What: fmt.Sprintf("%s %s has an MTU of %d instead of %d, and none of its members explains it", clean(n.Name), clean(m.plan.Bridge), bridge.MTU, m.plan.MTU),
			Mend: []string{on(n.Name, "ip link set %s mtu %d", clean(m.plan.Bridge), m.plan.MTU)}})
	}
	if bridged || m.plan.Routed {
		m.addresses(n)
	}
	m.undeclared(n)
}

func (m *mind) bridge(n PlanNode, b Link, bridged bool) {
	end := End{n.Name, m.plan.Bridge}
	name, bridge := clean(n.Name), clean(m.plan.Bridge)
	switch {
	case !bridged:
		m.mute[n.Name] = true
		m.fault(Fault{Kind: NoBridge, Severity: Error, End: End{Node: n.Name},
			What: fmt.Sprintf("%s has no bridge %s", name, bridge),
			Mend: []string{on(n.Name, "ifreload -a"), fmt.Sprintf("or, if its settings are gone: tb-deploy %s", name)}})
		return
	case !b.Up:
		m.mute[n.Name] = true
		m.fault(Fault{Kind: BridgeDown, Severity: Error, End: end,
			What: fmt.Sprintf("%s %s is switched off", name, bridge),
			Mend: []string{on(n.Name, "ip link set %s up", bridge)}})
	}
	if !b.Tree.On && !m.plan.NoSTP {
		m.fault(Fault{Kind: STPOff, Severity: Error, End: End{Node: n.Name},
			What: fmt.Sprintf("%s %s runs without spanning tree", name, bridge),
			Mend: []string{on(n.Name, "ip link set %s type bridge stp_state 1", bridge)}})
	}
}

// addresses judges that the node has its own.
func (m *mind) addresses(n PlanNode) {
	s := m.seen[n.Name]
	if s.Addresses == nil {
		return
	}
	for _, want := range n.Addresses {
		var found string
		var as netip.Prefix
		for _, device := range slices.Sorted(maps.Keys(s.Addresses)) {
			for _, got := range s.Addresses[device] {
				if got.Addr() == want.Addr() {
					found, as = device, got
				}
			}
		}
		f := Fault{Kind: NoAddress, Severity: Error, End: End{Node: n.Name}}
		device := m.plan.Bridge
		if m.plan.Routed {
			device = "lo"
		}
		switch {
		case found == "":
			m.mute[n.Name] = true
			f.What = fmt.Sprintf("%s lacks its address %s", clean(n.Name), want)
			f.Mend = []string{on(n.Name, "ip addr add %s dev %s", want, clean(device))}
		case !m.plan.Routed && found != m.plan.Bridge:
			f.What = fmt.Sprintf("%s has its address %s on %s instead of %s", clean(n.Name), want.Addr(), clean(found), clean(m.plan.Bridge))
			f.Mend = []string{on(n.Name, "ip addr del %s dev %s && ip addr add %s dev %s", as, clean(found), want, clean(m.plan.Bridge))}
		case as.Bits() != want.Bits():
			f.What = fmt.Sprintf("%s has %s instead of %s", clean(n.Name), as, want)
			f.Mend = []string{on(n.Name, "ip addr add %s dev %s && ip addr del %s dev %s", want, clean(found), as, clean(found))}
		default:
			continue
		}
		m.fault(f)
	}
}

// duplicates finds addresses that two nodes have, or one that is another's.
func (m *mind) duplicates() {
	owner := map[netip.Addr]string{}
	for _, n := range m.plan.Nodes {
		for _, a := range n.Addresses {
			owner[a.Addr()] = n.Name
		}
	}
	for _, n := range m.plan.Nodes {
		s := m.seen[n.Name]
		if !s.judged() {
			continue
		}
		for _, device := range slices.Sorted(maps.Keys(s.Addresses)) {
			ours := device == m.plan.Bridge || slices.Contains(n.Interfaces, device)
			for _, a := range s.Addresses[device] {
				of, taken := owner[a.Addr()]
				if !taken && !ours {
					// Many nodes have the same on what is theirs alone: the bridge
					// of their containers, the gateway of an SDN.
					continue
				}
				if !taken {
					owner[a.Addr()] = n.Name // the first that is found to have it
					continue
				}
				if of == n.Name {
					continue
				}
				m.claimed[of] = n.Name
				m.fault(Fault{Kind: Duplicate, Severity: Error, End: End{n.Name, device},
					What: fmt.Sprintf("%s has the address %s of %s on its %s", clean(n.Name), a.Addr(), clean(of), clean(device)),
					Mend: []string{on(n.Name, "ip addr del %s dev %s", a, clean(device))}})
			}
		}
	}
}

// undeclared tells of interfaces that the context does not know.
func (m *mind) undeclared(n PlanNode) {
	s := m.seen[n.Name]
	for _, name := range slices.Sorted(maps.Keys(s.Links)) {
		l := s.Links[name]
		in := !m.plan.Routed && l.Master == m.plan.Bridge
		if slices.Contains(n.Interfaces, name) || !in && l.Bus != "thunderbolt" && !strings.HasPrefix(name, "thunderbolt") {
			continue
		}
		m.note("%s has an interface %s that the context does not know", clean(n.Name), clean(name))
	}
}
