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
