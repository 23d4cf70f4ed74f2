package tbcli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/railiance/railiance/tools/internal/tbtest"
	"github.com/railiance/railiance/tools/internal/thunderbolt"
)

// judge holds what was found against what was planted: a line for the table, and
// what is wrong. A planted fault may be missing only if there is a reason why
// nobody could see it, and nothing may be found that was not planted.
func judge(faults []tbtest.Fault, d thunderbolt.Diagnosis) (line, complaint string) {
	var found, notes, complaints []string
	for _, f := range d.Faults {
		found = append(found, f.ID())
		if !slices.ContainsFunc(faults, func(p tbtest.Fault) bool { return names(f, p, faults) }) {
			complaints = append(complaints, "found "+f.ID()+", which was not planted")
		}
	}
	for _, p := range faults {
		if slices.ContainsFunc(d.Faults, func(f thunderbolt.Fault) bool { return names(f, p, faults) }) {
			continue
		}
		why := hidden(p, faults)
		if why == "" {
			complaints = append(complaints, p.String()+" was not found")
		}
		notes = append(notes, fmt.Sprintf("%s cannot be seen: %s", p, why))
	}
	if len(found) == 0 {
		found = []string{"nothing"}
	}
	line = planted(faults) + "\n\tfound " + strings.Join(found, ", ") + "\n"
	for _, n := range notes {
		line += "\t" + n + "\n"
	}
	return line, strings.Join(complaints, "; ")
}

// names tells whether the diagnosis' fault f is the planted fault p. What is
// inside of a node that cannot be looked at is named by what others see of it.
func names(f thunderbolt.Fault, p tbtest.Fault, all []tbtest.Fault) bool {
	end := thunderbolt.End{Node: p.Node, Interface: p.Interface}
	cable := f.Cable != nil && slices.Contains(f.Cable[:], end)
	unseen := dark(p.Node, all)
	switch p.Kind {
	case tbtest.MemberRemoved:
		return f.Kind == thunderbolt.Removed && f.End == end || unseen && f.Kind == thunderbolt.Unheard && f.End == end
	case tbtest.MTULow, tbtest.MTUPinned:
		return f.Kind == thunderbolt.MTULow && f.End == end || unseen && f.Kind == thunderbolt.FullSize && (cable || f.Node == p.Node)
	case tbtest.LinkDown:
		return f.Kind == thunderbolt.LinkDown && f.End == end
	case tbtest.OneWay:
		far := dark(otherEnd(p.End).Node, all)
		return f.Kind == thunderbolt.OneWay && f.End == end || unseen && f.Kind == thunderbolt.Unheard && f.End == end ||
			(unseen || far) && f.Kind == thunderbolt.Dead && cable ||
			f.Kind == thunderbolt.Mute && f.Node == p.Node && unseen ||
			f.Kind == thunderbolt.Loop && (unseen && f.Node == p.Node || far && f.Node == otherEnd(p.End).Node)
	case tbtest.Loss:
		return f.Kind == thunderbolt.Loss && cable
	case tbtest.NoBridge:
		return f.Kind == thunderbolt.NoBridge && f.Node == p.Node || unseen && f.Kind == thunderbolt.Mute && f.Node == p.Node
	case tbtest.STPOff:
		return f.Kind == thunderbolt.STPOff && f.Node == p.Node
	case tbtest.NodeDown, tbtest.SSHDDown, tbtest.HostKey, tbtest.SlowSSH, tbtest.Duplicate:
		return string(f.Kind) == string(p.Kind) && f.Node == p.Node
	}
	return false
}

// dark tells whether the node cannot be looked at.
func dark(node string, all []tbtest.Fault) bool {
	return slices.ContainsFunc(all, func(f tbtest.Fault) bool { return f.Node == node && slices.Contains(access(), f.Kind) })
}

// access are the faults that keep us out of a node, the most thorough first.
func access() []tbtest.Kind {
	return []tbtest.Kind{tbtest.NodeDown, tbtest.SSHDDown, tbtest.HostKey, tbtest.SlowSSH}
}

// hidden is why nobody can see p while all is planted; empty: it must be found.
func hidden(p tbtest.Fault, all []tbtest.Fault) string {
	for _, o := range all {
		if o == p {
			continue
		}
		if why := hides(o, p, all); why != "" {
			return why
		}
	}
	return ""
}

// otherEnd is the other end of the cable, in rings as tbtest makes them; ring
// is how many nodes it has.
func otherEnd(e tbtest.End) tbtest.End {
	i := slices.Index(order()[:ring], e.Node)
	if e.Interface == "thunderbolt0" {
		return tbtest.End{Node: order()[(i+1)%ring], Interface: "thunderbolt1"}
	}
	return tbtest.End{Node: order()[(i+ring-1)%ring], Interface: "thunderbolt0"}
}

var ring = 3 // set by the one test that needs another

func order() []string { return []string{"baobab", "ebony", "tapia", "ravinala", "raffia"} }

// hides is why o hides p.
func hides(o, p tbtest.Fault, all []tbtest.Fault) string {
	inNode := o.Node == p.Node
	passing := p.Kind == tbtest.OneWay || p.Kind == tbtest.Loss
	inBridge := slices.Contains([]tbtest.Kind{tbtest.MemberRemoved, tbtest.STPOff, tbtest.Duplicate}, p.Kind)
	kills := func(e tbtest.End) bool {
		return o.End == e && (o.Kind == tbtest.MemberRemoved || o.Kind == tbtest.LinkDown) || o.Node == e.Node && (o.Kind == tbtest.NoBridge || o.Kind == tbtest.NodeDown)
	}
	switch {
	case inNode && o.Kind == tbtest.NodeDown:
		return "the node is down"
	case inNode && slices.Contains(access(), o.Kind) && slices.Contains(access(), p.Kind) && slices.Index(access(), o.Kind) < slices.Index(access(), p.Kind):
		return "ssh does not get so far"
	case inNode && o.Kind == tbtest.NoBridge && inBridge:
		return "there is no bridge for it"
	case passing && (kills(p.End) || kills(otherEnd(p.End))):
		return "nothing is sent over the cable"
	case passing && o.Kind == tbtest.OneWay && (o.End == p.End || otherEnd(o.End) == p.End):
		return "nothing arrives that could be lost"
	case inNode && slices.Contains(access(), o.Kind) && inBridge:
		return "it is inside of a node that cannot be looked at, and packets find their way"
	}
	if passing && loops(all) {
		return "packets go round, and what is lost says nothing"
	}
	return ""
}

// loops tells whether the faults make a ring in which packets go round.
func loops(all []tbtest.Fault) bool {
	s := newSimulation(ring, all...)
	return s.looped()
}
