package pve

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/railiance/railiance/tools/internal/tell"
)

// claim is where a guest is said to be, and by whom.
type claim struct {
	node  string
	kind  string
	by    string
	heard bool // its node itself has it
}

// union joins the views of the nodes.
type union struct {
	inv    *Inventory
	views  map[string]*view // of those that could be asked, by node
	claims map[int][]claim
}

// join is all that the nodes know, with what they disagree about told.
func join(views []*view) *Inventory {
	u := &union{inv: &Inventory{Format: inventoryFormat}, views: map[string]*view{}, claims: map[int][]claim{}}
	for _, v := range views {
		u.node(v)
	}
	u.strangers()
	for _, id := range slices.Sorted(maps.Keys(u.claims)) {
		u.inv.Guests = append(u.inv.Guests, u.guest(id))
	}
	return u.inv
}

func (u *union) conflict(format string, args ...any) {
	u.inv.Conflicts = append(u.inv.Conflicts, fmt.Sprintf(format, args...))
}

// node takes the view of a node in.
func (u *union) node(v *view) {
	n := Node{Name: v.node, Target: v.target, Reachable: v.err == nil, Version: v.version, Quorate: v.err == nil && v.status.quorate, Err: v.err}
	if v.err != nil {
		n.Why = word(tell.Line(v.err.Error()))
		u.inv.Partial = true
		u.inv.Nodes = append(u.inv.Nodes, n)
		return
	}
	u.inv.Nodes = append(u.inv.Nodes, n)
	u.views[v.node] = v
	if !v.status.quorate {
		u.conflict("node %s: has no quorum: what it knows of the others may be old", v.node)
	}
	for _, trouble := range v.troubles {
		u.conflict("node %s: %s", v.node, trouble)
	}
	for _, g := range v.own {
		u.claim(g.ID, claim{node: v.node, kind: g.Type, by: v.node, heard: true})
	}
	for _, g := range v.cluster {
		u.claim(g.ID, claim{node: g.Node, kind: g.Type, by: v.node})
	}
	for _, p := range v.places {
		u.claim(p.ID, claim{node: p.Node, kind: p.Type, by: v.node})
	}
}

func (u *union) claim(id int, c claim) { u.claims[id] = append(u.claims[id], c) }

// strangers are nodes that the others know and the context does not.
func (u *union) strangers() {
	var unknown []string
	note := func(name string) {
		if !slices.ContainsFunc(u.inv.Nodes, func(n Node) bool { return n.Name == name }) && !slices.Contains(unknown, name) {
			unknown = append(unknown, name)
		}
	}
	for _, v := range u.views {
		for _, name := range v.status.members {
			note(name)
		}
	}
	for _, claims := range u.claims {
		for _, c := range claims {
			note(c.node)
		}
	}
	slices.Sort(unknown)
	for _, name := range unknown {
		u.inv.Partial = true
		err := tell.Hint(fmt.Errorf("is in the cluster, and not in the cluster context"), "add it to the cluster context: what is not there is not backed up")
		u.inv.Nodes = append(u.inv.Nodes, Node{Name: name, Why: err.Error(), Err: err})
	}
}

// where settles at which node a guest is: its own word first, then that of
// nodes with a quorum.
func (u *union) where(id int) claim {
	claims := slices.Clone(u.claims[id])
	slices.SortStableFunc(claims, func(a, b claim) int { return cmp.Compare(u.weight(b), u.weight(a)) })
	var told []string
	for _, c := range claims {
		s := fmt.Sprintf("%s on %s (says %s)", c.kind, c.node, c.by)
		if (c.node != claims[0].node || c.kind != claims[0].kind) && !slices.Contains(told, s) {
			told = append(told, s)
		}
	}
	if len(told) > 0 {
		u.conflict("guest %d: taken to be %s on %s (says %s); but also %s: it may be moving", id, claims[0].kind, claims[0].node, claims[0].by, strings.Join(told, ", "))
	}
	return claims[0]
}

func (u *union) weight(c claim) int {
	w := 0
	if c.heard {
		w += 2
	}
	if u.views[c.by].status.quorate {
		w++
	}
	return w
}
