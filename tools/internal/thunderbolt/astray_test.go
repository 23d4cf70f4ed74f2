package thunderbolt

import (
	"slices"
	"testing"
)

// A bridge that has not forgotten the way from before the tree changed sends
// into nothing. That nothing arrives then says nothing of the cable; it does, as
// soon as anything had to pass.
func TestAstray(t *testing.T) {
	for name, test := range map[string]struct {
		ebony, tapia string // behind which member each has learned the other
		arrived      uint64 // at tapia
		want         []string
	}{
		"both send the old way":              {"thunderbolt1", "thunderbolt0", 1, []string{"no-bridge@baobab", "astray@"}},
		"both send the new way":              {"thunderbolt0", "thunderbolt1", 20, []string{"no-bridge@baobab", "one-way@tapia:thunderbolt1"}},
		"neither knows, and asks everybody":  {"", "", 4, []string{"no-bridge@baobab", "one-way@tapia:thunderbolt1"}},
		"who is not heard sends the new way": {"thunderbolt1", "thunderbolt1", 4, []string{"no-bridge@baobab", "one-way@tapia:thunderbolt1"}},
		"who is not heard sends the old way": {"thunderbolt0", "thunderbolt0", 20, []string{"no-bridge@baobab", "astray@"}},
	} {
		seen := healthyRing(t)
		delete(seen["baobab"].Links, "vmbr1")
		for _, n := range []string{"baobab", "ebony", "tapia"} {
			s := seen[n]
			for _, i := range []string{"thunderbolt0", "thunderbolt1"} {
				l := s.Links[i]
				l.Port.State = "forwarding"
				if n == "baobab" {
					l.Master, l.Port = "", Port{}
				}
				s.Links[i] = l
			}
			for k := range s.Pings {
				s.Pings[k].Received = 0
			}
			s.Learned = nil
			s.Passed = map[string]Counters{"thunderbolt0": {}, "thunderbolt1": {}}
		}
		// As if tapia led, and ebony followed.
		lead := seen["tapia"].Links["thunderbolt1"]
		follow := seen["ebony"].Links["thunderbolt0"]
		lead.Port.Designated = seen["tapia"].Links["vmbr1"].Tree.Self
		follow.Port.Designated, follow.Port.From = lead.Port.Designated, lead.Port.Number
		seen["tapia"].Links["thunderbolt1"], seen["ebony"].Links["thunderbolt0"] = lead, follow
		seen["tapia"].Passed["thunderbolt1"] = Counters{Received: test.arrived}
		if test.ebony != "" {
			seen["ebony"].Learned = []Learned{{seen["tapia"].Links["vmbr1"].Address, test.ebony}}
			seen["tapia"].Learned = []Learned{{seen["ebony"].Links["vmbr1"].Address, test.tapia}}
		}
		d := Diagnose(threeNodes(true), seen)
		var got []string
		for _, f := range d.Faults {
			got = append(got, f.ID())
		}
		slices.Sort(got)
		slices.Sort(test.want)
		if !slices.Equal(got, test.want) {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
		if d.Sure() {
			t.Errorf("%s: one look is enough", name)
		}
	}
}

// Of a node that could not be looked at the others know the MAC that they send
// to: where that goes astray, the node is not to blame.
func TestAstrayToUnseen(t *testing.T) {
	const dead = "dead@baobab:thunderbolt1-tapia:thunderbolt0"
	for name, test := range map[string]struct {
		baobab, ebony string // behind which member each has learned tapia
		knows         string // what they send to
		want          []string
	}{
		"sent the old way":   {"thunderbolt0", "thunderbolt0", "", []string{"astray@"}},
		"sent the right way": {"thunderbolt1", "thunderbolt1", "", []string{dead}},
		"learned nowhere":    {"", "", "", []string{dead}},
		"asked for, in vain": {"thunderbolt0", "thunderbolt0", "nothing", []string{dead}},
		"the MAC of another": {"thunderbolt0", "thunderbolt0", "02:00:00:00:00:99", []string{dead}},
		"one of them old":    {"thunderbolt0", "thunderbolt1", "", []string{"astray@"}},
		"the other one old":  {"thunderbolt1", "thunderbolt0", "", []string{"astray@", dead}},
	} {
		seen := healthyRing(t)
		tapia := threeNodes(true).Node("tapia").Addresses[0].Addr()
		mac := seen["tapia"].Links["vmbr1"].Address
		seen["tapia"] = &Seen{SSH: SSH{Trouble: Slow}}
		known := map[string]string{"": mac, "nothing": ""}
		to, other := known[test.knows]
		if !other {
			to = test.knows
		}
		for node, behind := range map[string]string{"baobab": test.baobab, "ebony": test.ebony} {
			s := seen[node]
			s.Neighbours = []Neighbour{{tapia, to, "vmbr1"}}
			s.Learned = nil
			if behind != "" {
				s.Learned = []Learned{{mac, behind}}
			}
			for k := range s.Pings {
				if s.Pings[k].To == "tapia" {
					s.Pings[k].Received = 0
				}
			}
		}
		var got []string
		for _, f := range Diagnose(threeNodes(true), seen).Faults {
			got = append(got, f.ID())
		}
		slices.Sort(got)
		if want := append(test.want, "slow-ssh@tapia"); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}
