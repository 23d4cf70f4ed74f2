package thunderbolt

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// slow is how long ssh may take before it is told.
const slow = 5 * time.Second

// mind is a diagnosis in the making.
type mind struct {
	plan   Plan
	seen   Observation
	cables []Cable

	faults  []Fault
	notes   []string
	down    map[string]bool   // nodes that are not running
	mute    map[string]bool   // nodes that cannot answer in this network
	claimed map[string]string // nodes whose address somebody else has too, and who
	blocked map[End]bool      // ports of unseen nodes that spanning tree must have blocked
	loop    bool              // nothing blocks: pings say little
}

// Diagnose finds what is wrong. Nodes of the plan that seen does not have are
// left out of the judgement.
func Diagnose(plan Plan, seen Observation) Diagnosis {
	m := &mind{plan: plan, seen: seen, down: map[string]bool{}, mute: map[string]bool{}, claimed: map[string]string{}, blocked: map[End]bool{}}
	m.plan.Nodes = slices.DeleteFunc(slices.Clone(plan.Nodes), func(n PlanNode) bool { return seen[n.Name] == nil })
	m.cables = findCables(m.plan, seen)
	for _, n := range m.plan.Nodes {
		m.access(n)
		if m.seen[n.Name].judged() {
			m.node(n)
		}
	}
	m.duplicates()
	m.carriers()
	if m.plan.Routed {
		m.routes()
	} else {
		m.tree()
	}
	m.residue()
	m.counted()
	// Never null: who reads the JSON goes through the lists.
	d := Diagnosis{Ring: append([]CableSeen{}, m.ring()...), Nodes: append([]NodeSeen{}, m.nodes()...), Pairs: append([]PairSeen{}, m.pairs()...)}
	m.consequences()
	d.Faults, d.Notes = append([]Fault{}, m.faults...), m.notes
	sortFaults(d.Faults)
	return d
}

func (m *mind) fault(f Fault) *Fault {
	m.faults = append(m.faults, f)
	return &m.faults[len(m.faults)-1]
}

func (m *mind) note(format string, args ...any) {
	m.notes = append(m.notes, fmt.Sprintf(format, args...))
}

// has tells whether one of the kinds was found at end.
func (m *mind) has(end End, kinds ...Kind) bool {
	return slices.ContainsFunc(m.faults, func(f Fault) bool { return f.End == end && slices.Contains(kinds, f.Kind) })
}

// link is an interface, and whether the node was seen at all.
func (m *mind) link(e End) (l Link, there, judged bool) {
	s := m.seen[e.Node]
	if !s.judged() {
		return Link{}, false, false
	}
	l, there = s.Links[e.Interface]
	return l, there, true
}

// cable is the cable at end; nil: not known.
func (m *mind) cable(e End) *Cable {
	for i := range m.cables {
		if m.cables[i][0] == e || m.cables[i][1] == e {
			return &m.cables[i]
		}
	}
	return nil
}

// other is the other end of the cable.
func (c Cable) other(e End) End {
	if c[0] == e {
		return c[1]
	}
	return c[0]
}

// counted tells of errors that rose while the pings went, where no fault says
// it yet.
func (m *mind) counted() {
	for _, n := range m.plan.Nodes {
		s := m.seen[n.Name]
		if !s.judged() {
			continue
		}
		for _, name := range n.Interfaces {
			p := s.Passed[name]
			if p.ReceiveErrors+p.SendErrors == 0 {
				continue
			}
			end := End{n.Name, name}
			said := fmt.Sprintf("%s %s counted %d receive errors and %d send errors while the pings went", clean(n.Name), clean(name), p.ReceiveErrors, p.SendErrors)
			if i := slices.IndexFunc(m.faults, func(f Fault) bool {
				return f.End == end || f.Cable != nil && slices.Contains(f.Cable[:], end)
			}); i >= 0 {
				m.faults[i].Evidence = append(m.faults[i].Evidence, said)
				continue
			}
			m.fault(Fault{Kind: CountedErrors, Severity: Warning, End: end, Cable: m.cable(end), What: said,
				Mend: []string{fmt.Sprintf("look at the cable at %s %s, and at: ssh %s dmesg", clean(n.Name), clean(name), m.target(n.Name))}})
		}
	}
}

// target is how a person reaches the node.
func (m *mind) target(node string) string {
	if n := m.plan.Node(node); n != nil && len(n.Hosts) > 0 {
		return n.Hosts[0].Target
	}
	return clean(node)
}

// nodes are the nodes for the table.
func (m *mind) nodes() []NodeSeen {
	var all []NodeSeen
	for _, n := range m.plan.Nodes {
		s := m.seen[n.Name]
		shown := NodeSeen{Name: n.Name, State: NodeIsSeen}
		if !s.judged() {
			shown.State = string(s.SSH.Trouble)
			if shown.State == "" {
				shown.State = "unreadable"
			}
			all = append(all, shown)
			continue
		}
		for _, name := range n.Interfaces {
			l, there := s.Links[name]
			state := l.Port.State
			switch {
			case !there:
				state = "missing"
			case !l.Up:
				state = "down"
			case !l.Carrier:
				state = "no carrier"
			case m.plan.Routed:
				state = "up"
			case l.Master != m.plan.Bridge:
				state = "no member"
			}
			shown.Ports = append(shown.Ports, Shown{name, state, l.MTU})
		}
		if b, there := s.Links[m.plan.Bridge]; there && !m.plan.Routed {
			state := "stp off"
			if b.Tree.On {
				state = "stp on"
			}
			shown.Bridge = &Shown{b.Name, state, b.MTU}
		}
		all = append(all, shown)
	}
	return all
}

// pairs are the pings for the table.
func (m *mind) pairs() []PairSeen {
	var all []PairSeen
	for _, from := range m.plan.Nodes {
		for _, to := range m.plan.Nodes {
			pair := PairSeen{From: from.Name, To: to.Name, Small: m.ping(from.Name, to.Name, false), Full: m.ping(from.Name, to.Name, true)}
			if pair.Small != nil || pair.Full != nil {
				all = append(all, pair)
			}
		}
	}
	return all
}

func (m *mind) ping(from, to string, full bool) *Ping {
	s := m.seen[from]
	i := slices.IndexFunc(s.Pings, func(p Ping) bool { return p.To == to && p.Full == full })
	if i < 0 {
		return nil
	}
	return &s.Pings[i]
}

func names(nodes []string) string { return strings.Join(nodes, ", ") }
