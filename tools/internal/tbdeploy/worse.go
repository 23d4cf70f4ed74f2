package tbdeploy

import (
	"slices"

	"github.com/railiance/railiance/tools/internal/thunderbolt"
)

// appeared are the faults that were not seen before. Worse is what could have
// been; one that another fault hid was only revealed: to undo what mended that
// one would keep both. But what reached each other before must still do so.
func appeared(before, after thunderbolt.Diagnosis) (worse, revealed []thunderbolt.Fault) {
	cut := cutOff(before, after)
	for _, f := range after.Faults {
		switch {
		case slices.ContainsFunc(before.Faults, func(b thunderbolt.Fault) bool { return b.ID() == f.ID() }):
		case !cut && past(before).hides(f):
			revealed = append(revealed, f)
		default:
			worse = append(worse, f)
		}
	}
	return worse, revealed
}

// cutOff tells whether a ping that got through does so no longer.
func cutOff(before, after thunderbolt.Diagnosis) bool {
	through := func(p *thunderbolt.Ping) bool { return p != nil && p.Received > 0 }
	return slices.ContainsFunc(before.Pairs, func(b thunderbolt.PairSeen) bool {
		i := slices.IndexFunc(after.Pairs, func(a thunderbolt.PairSeen) bool { return a.From == b.From && a.To == b.To })
		var a thunderbolt.PairSeen
		if i >= 0 {
			a = after.Pairs[i]
		}
		return through(b.Small) && !through(a.Small) || through(b.Full) && !through(a.Full)
	})
}

// past is a diagnosis that is asked what it could not judge.
type past thunderbolt.Diagnosis

// at tells whether one of the kinds was found at end; without an interface:
// anywhere at the node; without a node: anywhere.
func (p past) at(end thunderbolt.End, kinds ...thunderbolt.Kind) bool {
	return slices.ContainsFunc(p.Faults, func(f thunderbolt.Fault) bool {
		return slices.Contains(kinds, f.Kind) && (end.Node == "" || f.Node == end.Node) && (end.Interface == "" || f.Interface == end.Interface)
	})
}

// hides tells whether the fault could have been there without being seen. Each
// kind follows what package thunderbolt looks at, and in which order.
func (p past) hides(f thunderbolt.Fault) bool {
	node := thunderbolt.End{Node: f.Node}
	ends := []thunderbolt.End{f.End}
	if f.Cable != nil {
		ends = append(ends, f.Cable[:]...)
	}
	switch f.Kind {
	case thunderbolt.NodeDown, thunderbolt.SSHDDown, thunderbolt.SSHSlow, thunderbolt.HostKey, thunderbolt.HostUnknown, thunderbolt.Unreached, thunderbolt.Unreadable:
		return false // ssh alone tells
	case thunderbolt.Loop, thunderbolt.STPOff, thunderbolt.Settling, thunderbolt.Astray:
		return false // a loop must not go on, whoever made it; what is on the move is waited for
	}
	if slices.ContainsFunc(ends, p.unseen) {
		return true
	}
	switch f.Kind {
	case thunderbolt.Missing, thunderbolt.NoBridge, thunderbolt.Duplicate:
		return false
	case thunderbolt.LinkDown, thunderbolt.MTULow:
		return p.at(f.End, thunderbolt.Missing)
	case thunderbolt.Removed:
		return p.at(f.End, thunderbolt.Missing) || p.at(node, thunderbolt.NoBridge)
	case thunderbolt.BridgeDown, thunderbolt.NoAddress:
		return p.at(node, thunderbolt.NoBridge)
	case thunderbolt.BridgeMTU:
		return p.at(node, thunderbolt.NoBridge, thunderbolt.MTULow)
	case thunderbolt.NoCarrier:
		return slices.ContainsFunc(ends, func(e thunderbolt.End) bool { return p.at(e, thunderbolt.Missing, thunderbolt.LinkDown) })
	}
	return p.hidesFromPings(f)
}

// hidesFromPings is for what only pings and spanning tree show.
func (p past) hidesFromPings(f thunderbolt.Fault) bool {
	var any thunderbolt.End
	switch {
	case p.at(any, thunderbolt.Settling, thunderbolt.Astray, thunderbolt.Loop, thunderbolt.STPOff):
		return true // no ping was judged
	case f.Kind == thunderbolt.FullSize && p.at(any, thunderbolt.MTULow, thunderbolt.BridgeMTU, thunderbolt.FullSize):
		return true
	case p.at(any, thunderbolt.OneWay, thunderbolt.Unheard, thunderbolt.Dead, thunderbolt.Mute):
		return true // they explain the pings that are lost on their ways
	case f.Kind == thunderbolt.OneWay && f.Cable != nil: // spanning tree shows it on a port that it blocks, too
		return !p.was(*f.Cable, thunderbolt.Carries, thunderbolt.Blocks)
	case f.Cable != nil:
		return !p.was(*f.Cable, thunderbolt.Carries)
	case f.Node != "":
		return p.mute(f.Node) || !slices.ContainsFunc(p.Ring, func(s thunderbolt.CableSeen) bool {
			return (s.Cable[0].Node == f.Node || s.Cable[1].Node == f.Node) && s.State != thunderbolt.Broken
		})
	}
	return slices.ContainsFunc(p.Ring, func(c thunderbolt.CableSeen) bool {
		return c.State != thunderbolt.Carries && c.State != thunderbolt.Blocks
	})
}

// was tells whether the cable was in one of the states, and pings over it were
// judged.
func (p past) was(c thunderbolt.Cable, states ...string) bool {
	return !p.mute(c[0].Node) && !p.mute(c[1].Node) && slices.ContainsFunc(p.Ring, func(s thunderbolt.CableSeen) bool {
		return slices.Contains(states, s.State) && slices.Contains([]thunderbolt.Cable{c, {c[1], c[0]}}, s.Cable)
	})
}

// mute tells whether no ping of the node was expected to arrive.
func (p past) mute(node string) bool {
	return p.at(thunderbolt.End{Node: node}, thunderbolt.NoBridge, thunderbolt.BridgeDown, thunderbolt.NoAddress, thunderbolt.NoRoute)
}

// unseen tells whether the node of an end did not tell its state.
func (p past) unseen(e thunderbolt.End) bool {
	return slices.ContainsFunc(p.Nodes, func(n thunderbolt.NodeSeen) bool { return n.Name == e.Node && n.State != thunderbolt.NodeIsSeen })
}
