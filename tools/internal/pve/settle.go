package pve

import (
	"cmp"
	"fmt"
	"slices"
)

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
			g.Unseen, u.inv.Partial = true, true
		}
	}
	if by != nil && g.Type == CT {
		g.Excludes = by.excludes
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
