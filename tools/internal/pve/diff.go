package pve

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/railiance/railiance/tools/internal/tell"
)

// Change is one thing that differs between two inventories.
type Change struct {
	Guest int    `json:"guest,omitempty"` // 0: it is about a node
	Node  string `json:"node,omitempty"`
	What  string `json:"what"`
}

func (c Change) String() string {
	if c.Guest == 0 {
		return fmt.Sprintf("node %s: %s", c.Node, c.What)
	}
	return fmt.Sprintf("guest %d: %s", c.Guest, c.What)
}

// Diff is what changed from old to new: nodes first, then guests by number.
// Whether a guest runs is not a change. A nil old is one without anything.
func Diff(old, new *Inventory) []Change {
	if old == nil {
		old = &Inventory{}
	}
	d := &difference{}
	for _, n := range new.Nodes {
		d.node(find(old.Nodes, func(o Node) bool { return o.Name == n.Name }), n)
	}
	for _, o := range old.Nodes {
		if find(new.Nodes, func(n Node) bool { return n.Name == o.Name }) == nil {
			d.changes = append(d.changes, Change{Node: o.Name, What: "gone"})
		}
	}
	ids := map[int]bool{}
	for _, g := range slices.Concat(old.Guests, new.Guests) {
		ids[g.ID] = true
	}
	at := len(d.changes)
	for id := range ids {
		same := func(g Guest) bool { return g.ID == id }
		d.guest(find(old.Guests, same), find(new.Guests, same), new.Partial)
	}
	slices.SortStableFunc(d.changes[at:], func(a, b Change) int { return cmp.Compare(a.Guest, b.Guest) })
	return d.changes
}

// Uncovered are the guests that no backup has, as covered says.
func Uncovered(inv *Inventory, covered func(Guest) bool) []Guest {
	return slices.DeleteFunc(slices.Clone(inv.Guests), covered)
}

func find[T any](all []T, is func(T) bool) *T {
	if i := slices.IndexFunc(all, is); i >= 0 {
		return &all[i]
	}
	return nil
}

type difference struct{ changes []Change }

func (d *difference) node(old *Node, n Node) {
	say := func(format string, args ...any) {
		d.changes = append(d.changes, Change{Node: n.Name, What: fmt.Sprintf(format, args...)})
	}
	switch {
	case old == nil && n.Reachable:
		say("new")
	case old == nil:
		say("new, and cannot be asked: %s", n.Why)
	case old.Reachable && !n.Reachable:
		say("cannot be asked: %s", n.Why)
	case !old.Reachable && n.Reachable:
		say("can be asked again")
	}
	if old != nil && old.Version != n.Version && old.Version != "" && n.Version != "" {
		say("Proxmox VE %s, before %s", n.Version, old.Version)
	}
}

func (d *difference) guest(old, now *Guest, partial bool) {
	id := 0
	say := func(format string, args ...any) {
		d.changes = append(d.changes, Change{Guest: id, What: fmt.Sprintf(format, args...)})
	}
	switch {
	case now == nil && partial:
		id = old.ID
		say("not seen (%s on %s), and not all nodes could be asked", called(*old), old.Node)
		return
	case now == nil:
		id = old.ID
		say("gone (was %s on %s)", called(*old), old.Node)
		return
	case old == nil:
		id = now.ID
		say("new: %s on %s", called(*now), now.Node)
		for _, disk := range now.LeftOut() {
			say("%s is in no backup: %s", disk.Key, disk.Why)
		}
		return
	}
	id = now.ID
	if old.Type != now.Type || Another(old.Identity, now.Identity) {
		say("another guest: %s, before %s", called(*now), called(*old))
	}
	if old.Node != now.Node {
		say("moved from %s to %s", old.Node, now.Node)
	}
	if old.Unseen || now.Unseen {
		return // the rest is hearsay, and differs in what is not known
	}
	fields := []struct{ name, old, now string }{
		{"name", old.Name, now.Name},
		{"pool", old.Pool, now.Pool},
		{"tags", strings.Join(old.Tags, ";"), strings.Join(now.Tags, ";")},
		{"lock", old.Lock, now.Lock},
		{"template", yes(old.Template), yes(now.Template)},
	}
	for _, f := range fields {
		if f.old != f.now {
			say("%s: %s, before %s", f.name, cmp.Or(f.now, "none"), cmp.Or(f.old, "none"))
		}
	}
	d.disks(*old, *now, say)
	for _, e := range now.Excludes {
		if !slices.Contains(old.Excludes, e) {
			say("%s is in no backup any more: %s", e.disk().Key, e.Why)
		}
	}
	for _, e := range old.Excludes {
		if !slices.Contains(now.Excludes, e) {
			say("%s is in backups from now on", e.disk().Key)
		}
	}
}

func (d *difference) disks(old, now Guest, say func(string, ...any)) {
	for _, disk := range now.Disks {
		was := find(old.Disks, func(o Disk) bool { return o.Key == disk.Key })
		switch {
		case was == nil && disk.InBackup:
			say("new disk %s (%s, %s)", disk.Key, disk.Volume, tell.Bytes(disk.Size))
		case was == nil:
			say("new disk %s (%s), which is in no backup: %s", disk.Key, disk.Volume, disk.Why)
		default:
			if was.Volume != disk.Volume {
				say("disk %s: %s, before %s", disk.Key, disk.Volume, was.Volume)
			}
			if was.Size != disk.Size {
				say("disk %s: %s, before %s", disk.Key, tell.Bytes(disk.Size), tell.Bytes(was.Size))
			}
			if was.InBackup && !disk.InBackup {
				say("disk %s is in no backup any more: %s", disk.Key, disk.Why)
			} else if !was.InBackup && disk.InBackup {
				say("disk %s is in backups from now on", disk.Key)
			}
		}
	}
	for _, disk := range old.Disks {
		if find(now.Disks, func(n Disk) bool { return n.Key == disk.Key }) == nil {
			say("disk %s is gone (was %s)", disk.Key, disk.Volume)
		}
	}
}

func called(g Guest) string {
	return strings.TrimSpace(g.Short() + " " + g.Name)
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
