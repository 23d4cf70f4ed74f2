package tbcli

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/railiance/railiance/tools/internal/tbtest"
	"github.com/railiance/railiance/tools/internal/thunderbolt"
)

// everywhere are all faults that a ring of n nodes can have.
func everywhere(n int) []tbtest.Fault {
	var all []tbtest.Fault
	for _, k := range tbtest.Kinds() {
		for _, node := range order()[:n] {
			all = append(all, at(k, node, "thunderbolt0"))
			if k.OfInterface() {
				all = append(all, at(k, node, "thunderbolt1"))
			}
		}
	}
	return all
}

// same tells whether two observations show the same.
func same(a, b thunderbolt.Observation) bool {
	show := func(o thunderbolt.Observation) string {
		var text strings.Builder
		for _, n := range order() {
			if o[n] != nil {
				fmt.Fprintf(&text, "%+v\n", *o[n])
			}
		}
		return text.String()
	}
	return show(a) == show(b)
}

// Every fault at every place, alone and with every other one at every place, is
// found and nothing else is, as long as anybody could see it.
func TestSimulatedPairs(t *testing.T) {
	defer func(was int) { ring = was }(ring)
	for _, n := range []int{3, 5} {
		ring = n
		all := everywhere(n)
		var table strings.Builder
		wrong, hiddenPairs := 0, 0
		for i, a := range all {
			for _, b := range all[i:] {
				faults := []tbtest.Fault{a, b}
				if a == b {
					faults = faults[:1]
				}
				plan, seen := simulate(n, faults...)
				complaint, hidden := judgePaper(n, faults, thunderbolt.Diagnose(plan, seen), seen)
				if hidden {
					hiddenPairs++
				}
				if complaint != "" {
					wrong++
					fmt.Fprintf(&table, "%s: %s\n", planted(faults), complaint)
				}
			}
		}
		t.Logf("%d nodes: %d faults, %d wrong, %d with a fault that nobody can see", n, len(all), wrong, hiddenPairs)
		if wrong > 0 {
			t.Errorf("%d nodes: %d wrong:\n%s", n, wrong, table.String()[:min(6000, table.Len())])
		}
	}
}

func hiddenBy(p tbtest.Fault, all []tbtest.Fault) bool { return hidden(p, all) != "" }

// judgePaper is judge for a simulation, which knows what can be seen: what
// changes nothing at all when it is healed cannot.
func judgePaper(n int, faults []tbtest.Fault, d thunderbolt.Diagnosis, seen thunderbolt.Observation) (complaint string, hidden bool) {
	var complaints []string
	for _, f := range d.Faults {
		if !slices.ContainsFunc(faults, func(p tbtest.Fault) bool { return names(f, p, faults) }) {
			complaints = append(complaints, "found "+f.ID())
		}
	}
	for i, p := range faults {
		if slices.ContainsFunc(d.Faults, func(f thunderbolt.Fault) bool { return names(f, p, faults) }) {
			continue
		}
		if _, without := simulate(n, slices.Delete(slices.Clone(faults), i, i+1)...); same(seen, without) || hiddenBy(p, faults) {
			hidden = true
			continue
		}
		complaints = append(complaints, p.String()+" not found")
	}
	return strings.Join(complaints, "; "), hidden
}
