package thunderbolt

import "slices"

// expected tells whether pings from a should reach b, by all that is known.
func (m *mind) expected(p pair) bool {
	for _, n := range []string{p.a, p.b} {
		if m.mute[n] || m.down[n] {
			return false
		}
	}
	if m.has(End{Node: p.a}, NoRoute) || m.has(End{Node: p.b}, NoRoute) {
		return false
	}
	return len(m.cables) == 0 || len(m.paths(p)) > 0
}

// paths are the ways from a to b, each as numbers of cables. Spanning tree
// leaves one; where it is not known what is blocked, or there is none, several.
func (m *mind) paths(p pair) [][]int {
	const most = 8
	var found [][]int
	var walk func(at string, been []string, way []int)
	walk = func(at string, been []string, way []int) {
		if len(found) == most {
			return
		}
		if at == p.b {
			found = append(found, slices.Clone(way))
			return
		}
		for i, c := range m.cables {
			for k := range c {
				if next := c[1-k].Node; c[k].Node == at && !slices.Contains(been, next) && m.carries(c) {
					walk(next, append(been, next), append(way, i))
				}
			}
		}
	}
	walk(p.a, []string{p.a}, nil)
	if m.plan.Routed && len(found) > 0 {
		// Routers take the shortest.
		least := len(slices.MinFunc(found, func(a, b []int) int { return len(a) - len(b) }))
		found = slices.DeleteFunc(found, func(way []int) bool { return len(way) > least })
	}
	return found
}

// crosses tells whether cable i is on any way of the pair, and whether on all.
func (m *mind) crosses(p pair, i int) (any, all bool) {
	ways := m.paths(p)
	all = len(ways) > 0
	for _, way := range ways {
		on := slices.Contains(way, i)
		any, all = any || on, all && on
	}
	return any, all
}
