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
		return f.Kind == thunderbolt.Removed && f.End == end
	case tbtest.MTULow, tbtest.MTUPinned:
		return f.Kind == thunderbolt.MTULow && f.End == end || unseen && f.Kind == thunderbolt.FullSize && (cable || f.Node == p.Node)
	case tbtest.LinkDown:
		return f.Kind == thunderbolt.LinkDown && f.End == end
	case tbtest.OneWay:
		return f.Kind == thunderbolt.OneWay && f.End == end || unseen && f.Kind == thunderbolt.Dead && cable
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

// hides is why o hides p. Cables of the ring: ebony's thunderbolt1 is joined to
// baobab's thunderbolt0, tapia's thunderbolt0 to baobab's thunderbolt1, and
// spanning tree blocks the third one as long as these two carry.
func hides(o, p tbtest.Fault, _ []tbtest.Fault) string {
	inNode := o.Node == p.Node
	passing := p.Kind == tbtest.OneWay || p.Kind == tbtest.Loss
	switch {
	case inNode && o.Kind == tbtest.NodeDown:
		return "the node is down"
	case inNode && slices.Contains(access(), o.Kind) && slices.Contains(access(), p.Kind) && slices.Index(access(), o.Kind) < slices.Index(access(), p.Kind):
		return "ssh does not get so far"
	case inNode && slices.Contains(access(), o.Kind) && slices.Contains([]tbtest.Kind{tbtest.MemberRemoved, tbtest.STPOff, tbtest.Duplicate}, p.Kind):
		return "it is inside of a node that cannot be looked at, and packets find their way"
	case inNode && o.Kind == tbtest.NoBridge && slices.Contains([]tbtest.Kind{tbtest.MemberRemoved, tbtest.STPOff, tbtest.Duplicate}, p.Kind):
		return "there is no bridge for it"
	case inNode && passing && slices.Contains([]tbtest.Kind{tbtest.NoBridge, tbtest.MemberRemoved, tbtest.LinkDown}, o.Kind):
		return "nothing is sent over the cable"
	}
	return ""
}
