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

// guest is one guest, from all that is known of it.
func (u *union) guest(id int) Guest {
	at := u.where(id)
	g := Guest{ID: id, Type: at.kind, Node: at.node, Status: Unknown}
	by := u.views[at.node]
	believed := u.believed(id, at)
	var own *Guest
	if by == nil {
		g.Unseen = true
	} else if i := slices.IndexFunc(by.own, func(o Guest) bool { return o.ID == id && o.Type == at.kind }); i >= 0 {
		own = &by.own[i]
	}
	if believed != nil {
		g = *believed
		g.Node, g.Unseen = at.node, by == nil
	}
	switch {
	case own == nil && by != nil:
		g.Unseen = true
		u.conflict("guest %d: should be on %s, which does not list it", id, at.node)
	case own == nil:
	case believed == nil:
		g = *own
		u.conflict("guest %d: only its node %s lists it", id, at.node)
	default:
		g.Status = u.status(id, own.Status, believed.Status)
		g.Name = cmp.Or(own.Name, g.Name)
		g.Template = g.Template || own.Template
		g.MaxDisk = cmp.Or(g.MaxDisk, own.MaxDisk)
		g.Lock = cmp.Or(own.Lock, g.Lock)
	}
	if own != nil {
		if s, known := by.settings[id]; known {
			s.apply(&g)
		} else {
			g.Unseen = true
		}
	}
	g.Leftover = leftover(g)
	return g
}

// believed is what the cluster says of a guest: the nodes' answers are the same
// but for their age, so the best informed one is enough.
func (u *union) believed(id int, at claim) *Guest {
	var best *Guest
	for _, n := range u.inv.Nodes {
		v := u.views[n.Name]
		if v == nil {
			continue
		}
		for i, g := range v.cluster {
			better := best == nil || best.Status == Unknown && g.Status != Unknown
			if g.ID == id && g.Type == at.kind && better {
				best = &v.cluster[i]
			}
		}
	}
	return best
}

// status settles what a guest does. A node's list calls a paused one running;
// the cluster knows nothing where pvestatd does not report.
func (u *union) status(id int, own, cluster string) string {
	switch {
	case own == cluster:
		return own
	case own == Running && cluster == Paused, own == Unknown:
		u.conflict("guest %d: its node says %s, the cluster %s: taken to be %s", id, own, cluster, cluster)
		return cluster
	case cluster == Unknown:
		u.conflict("guest %d: %s, of which the cluster knows nothing: is pvestatd running on its node?", id, own)
		return own
	}
	u.conflict("guest %d: its node says %s, the cluster %s: taken to be %s", id, own, cluster, own)
	return own
}

// leftover tells what a deed that was cut short may have left.
func leftover(g Guest) []string {
	if g.Lock == "" {
		return nil
	}
	unlock := "qm"
	if g.Type == CT {
		unlock = "pct"
	}
	return []string{fmt.Sprintf("lock: %s (if nothing of the kind runs on %s: %s unlock %d)", g.Lock, g.Node, unlock, g.ID)}
}
