package thunderbolt

import "slices"

// findCables joins the ends. What the context declares holds; else the nodes'
// own words are put together: who leads on a port, by spanning tree; which MAC
// of an interface was learned behind another one, since only what a neighbour
// sends for itself bears it; and at last what is left over.
func findCables(p Plan, seen Observation) []Cable {
	if len(p.Cables) > 0 {
		// Nodes that nobody asked are not judged.
		return slices.DeleteFunc(slices.Clone(p.Cables), func(c Cable) bool { return seen[c[0].Node] == nil || seen[c[1].Node] == nil })
	}
	f := &finder{plan: p, seen: seen, joined: map[End]bool{}}
	f.byTree()
	f.byMAC()
	f.byRest()
	slices.SortFunc(f.cables, func(a, b Cable) int { return f.order(a[0]) - f.order(b[0]) })
	return f.cables
}

type finder struct {
	plan   Plan
	seen   Observation
	joined map[End]bool
	cables []Cable
}

func (f *finder) join(a, b End) {
	if a.Node == b.Node || f.joined[a] || f.joined[b] {
		return
	}
	if f.order(a) > f.order(b) {
		a, b = b, a
	}
	f.joined[a], f.joined[b] = true, true
	f.cables = append(f.cables, Cable{a, b})
}

// order is the place of an end in the plan.
func (f *finder) order(e End) int {
	n := slices.IndexFunc(f.plan.Nodes, func(n PlanNode) bool { return n.Name == e.Node })
	return n*1000 + slices.Index(f.plan.Nodes[n].Interfaces, e.Interface)
}

// each calls do for every end whose state is known and that has no cable yet.
func (f *finder) each(do func(End, Link)) {
	for _, n := range f.plan.Nodes {
		if !f.seen[n.Name].judged() {
			continue
		}
		for _, name := range n.Interfaces {
			if l, there := f.seen[n.Name].Links[name]; there && !f.joined[End{n.Name, name}] {
				do(End{n.Name, name}, l)
			}
		}
	}
}

func (f *finder) byTree() {
	// A bridge without spanning tree lets through what its neighbours say to
	// each other, and they look as if they were joined.
	for _, n := range f.plan.Nodes {
		if s := f.seen[n.Name]; s.judged() && !s.Links[f.plan.Bridge].Tree.On {
			return
		}
	}
	f.each(func(a End, port Link) {
		f.each(func(b End, leader Link) {
			if port.Carrier && port.Port.Designated != 0 && b.Node != a.Node && leader.Port.Number == port.Port.From &&
				port.Port.Designated == f.seen[b.Node].Links[f.plan.Bridge].Tree.Self && leader.Master == f.plan.Bridge {
				f.join(a, b)
			}
		})
	})
}

func (f *finder) byMAC() {
	f.each(func(a End, _ Link) {
		f.each(func(b End, l Link) {
			// A bridge takes the MAC of one of its members: that one says
			// nothing, the bridge's own packets bear it too.
			if a.Node == b.Node || l.Address == "" || l.Address == f.seen[b.Node].Links[f.plan.Bridge].Address {
				return
			}
			if slices.Contains(f.seen[a.Node].Learned, Learned{l.Address, a.Interface}) {
				f.join(a, b)
			}
		})
	})
}

// byRest joins what is left over, if it can be joined in one way only.
func (f *finder) byRest() {
	var left []End
	for _, n := range f.plan.Nodes {
		for _, name := range n.Interfaces {
			if e := (End{n.Name, name}); !f.joined[e] {
				left = append(left, e)
			}
		}
	}
	if len(left) == 2 {
		f.join(left[0], left[1])
		return
	}
	for i, a := range left {
		for _, b := range left[i+1:] {
			if f.peers(a, b) {
				f.join(a, b)
			}
		}
	}
}

// peers tells whether a and b are veth ends that name each other by number, as
// no other does.
func (f *finder) peers(a, b End) bool {
	var mine Link
	f.each(func(e End, l Link) {
		if e == a {
			mine = l
		}
	})
	matches, found := 0, false
	f.each(func(e End, l Link) {
		if mine.Peer != 0 && e.Node != a.Node && l.Index == mine.Peer && l.Peer == mine.Index {
			matches++
			found = found || e == b
		}
	})
	return found && matches == 1
}
