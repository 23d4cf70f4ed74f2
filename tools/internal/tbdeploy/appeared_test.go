package tbdeploy

import (
	"testing"

	"github.com/railiance/railiance/tools/internal/thunderbolt"
)

// What another fault hid is no reason to undo the mend of that one; what could
// have been seen, and what cuts off, is.
func TestAppeared(t *testing.T) {
	end := func(node, name string) thunderbolt.End { return thunderbolt.End{Node: node, Interface: name} }
	cable := thunderbolt.Cable{end("ebony", "thunderbolt0"), end("tapia", "thunderbolt1")}
	at := func(kind thunderbolt.Kind, node, name string) thunderbolt.Fault {
		return thunderbolt.Fault{Kind: kind, End: end(node, name)}
	}
	on := func(kind thunderbolt.Kind) thunderbolt.Fault { return thunderbolt.Fault{Kind: kind, Cable: &cable} }
	seen := func(state, carries string, faults ...thunderbolt.Fault) thunderbolt.Diagnosis {
		return thunderbolt.Diagnosis{Faults: faults, Ring: []thunderbolt.CableSeen{{Cable: cable, State: carries}},
			Nodes: []thunderbolt.NodeSeen{{Name: "ebony", State: thunderbolt.NodeIsSeen}, {Name: "tapia", State: state}}}
	}
	pinged := func(d thunderbolt.Diagnosis, received int) thunderbolt.Diagnosis {
		p := &thunderbolt.Ping{Sent: 3, Received: received}
		d.Pairs = []thunderbolt.PairSeen{{From: "ebony", To: "tapia", Small: p, Full: p}}
		return d
	}
	const is = thunderbolt.NodeIsSeen
	well := seen(is, thunderbolt.Carries)
	for name, test := range map[string]struct {
		before, after   thunderbolt.Diagnosis
		worse, revealed int
	}{
		"the same":                      {seen(is, "broken", at(thunderbolt.Removed, "ebony", "thunderbolt0")), seen(is, "broken", at(thunderbolt.Removed, "ebony", "thunderbolt0")), 0, 0},
		"new":                           {well, seen(is, "broken", at(thunderbolt.Removed, "ebony", "thunderbolt0")), 1, 0},
		"new beside another":            {seen(is, "broken", at(thunderbolt.LinkDown, "ebony", "thunderbolt0")), seen(is, "broken", at(thunderbolt.MTULow, "ebony", "thunderbolt0")), 1, 0},
		"behind no bridge":              {seen(is, "broken", at(thunderbolt.NoBridge, "ebony", "")), seen(is, "broken", at(thunderbolt.Removed, "ebony", "thunderbolt0")), 0, 1},
		"behind another's missing one":  {seen(is, "broken", at(thunderbolt.NoBridge, "ebony", "")), seen(is, "carries", at(thunderbolt.Removed, "tapia", "thunderbolt1")), 1, 0},
		"behind no interface":           {seen(is, "broken", at(thunderbolt.Missing, "ebony", "thunderbolt0")), seen(is, "broken", at(thunderbolt.MTULow, "ebony", "thunderbolt0")), 0, 1},
		"of another interface":          {seen(is, "broken", at(thunderbolt.Missing, "ebony", "thunderbolt1")), seen(is, "broken", at(thunderbolt.MTULow, "ebony", "thunderbolt0")), 1, 0},
		"behind a member's MTU":         {seen(is, "carries", at(thunderbolt.MTULow, "ebony", "thunderbolt0")), seen(is, "carries", at(thunderbolt.BridgeMTU, "ebony", "vmbr1")), 0, 1},
		"behind ssh":                    {seen("refused", "unknown"), seen(is, "broken", at(thunderbolt.MTULow, "tapia", "thunderbolt1")), 0, 1},
		"ssh itself":                    {well, seen("refused", "unknown", at(thunderbolt.SSHDDown, "tapia", "")), 1, 0},
		"a cable that did not carry":    {seen(is, "broken", at(thunderbolt.Removed, "ebony", "thunderbolt0")), seen(is, "carries", on(thunderbolt.Loss)), 0, 1},
		"a cable that rested":           {seen(is, "blocks"), seen(is, "carries", on(thunderbolt.Loss)), 0, 1},
		"a resting one hears":           {seen(is, "blocks"), seen(is, "broken", at(thunderbolt.OneWay, "ebony", "thunderbolt0"), on(thunderbolt.Dead)), 1, 1},
		"a cable that carried":          {well, seen(is, "carries", on(thunderbolt.Loss)), 1, 0},
		"behind a low MTU":              {seen(is, "carries", at(thunderbolt.MTULow, "ebony", "thunderbolt0")), seen(is, "carries", on(thunderbolt.FullSize)), 0, 1},
		"a node that did not answer":    {seen(is, "carries", at(thunderbolt.NoAddress, "tapia", "")), seen(is, "carries", at(thunderbolt.FullSize, "tapia", "")), 0, 1},
		"a node that did":               {well, seen(is, "carries", at(thunderbolt.FullSize, "tapia", "")), 1, 0},
		"a loop, whoever made it":       {seen(is, "broken", at(thunderbolt.NoBridge, "ebony", "")), seen(is, "carries", at(thunderbolt.Loop, "", ""), at(thunderbolt.STPOff, "ebony", "")), 2, 0},
		"what worked before no more":    {pinged(seen(is, "broken", at(thunderbolt.Removed, "ebony", "thunderbolt0")), 3), pinged(seen(is, "broken", on(thunderbolt.Dead)), 0), 1, 0},
		"what worked before works":      {pinged(seen(is, "broken", at(thunderbolt.Removed, "ebony", "thunderbolt0")), 3), pinged(seen(is, "broken", on(thunderbolt.Loss)), 1), 0, 1},
		"what worked before not pinged": {pinged(seen(is, "broken", at(thunderbolt.Removed, "ebony", "thunderbolt0")), 3), seen(is, "carries", on(thunderbolt.Loss)), 1, 0},
	} {
		for i := range test.after.Faults {
			if f := &test.after.Faults[i]; f.Kind == thunderbolt.OneWay {
				f.Cable = &cable
			}
		}
		if worse, revealed := appeared(test.before, test.after); len(worse) != test.worse || len(revealed) != test.revealed {
			t.Errorf("%s: worse %v, revealed %v", name, worse, revealed)
		}
	}
}
