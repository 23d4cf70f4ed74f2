package catalog

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// chained are sets 1 to n as runs make them, the newest first.
func chained(n int) []Set {
	var sets []Set
	for i := range n {
		s := night(n-i, "a")
		s.Sequence = int64(i + 1)
		s.SHA256 = fmt.Sprintf("%064x", i+1)
		if len(sets) > 0 {
			link := sets[0].Link()
			s.Previous = &link
		}
		for _, older := range sets {
			s.Present = append(s.Present, older.Link())
		}
		sets = append([]Set{s}, sets...)
	}
	return sets
}

func TestChain(t *testing.T) {
	sets := chained(4)
	for name, c := range map[string]struct {
		sets []Set
		seen Link
		at   int64
		want []string // for each problem
	}{
		"whole":                        {sets: sets, seen: sets[0].Link(), at: 4},
		"nothing seen yet":             {sets: sets},
		"newer than what was seen":     {sets: sets, seen: sets[1].Link(), at: 3},
		"none, and none seen":          {},
		"one in the middle is gone":    {sets: slices.Delete(chained(4), 1, 2), want: []string{"retention did not let it go"}},
		"the oldest is gone":           {sets: chained(4)[:3], want: []string{"retention did not let it go"}},
		"the newest is gone":           {sets: sets[1:], seen: sets[0].Link(), at: 4, want: []string{"rolled back: number 4 was here before"}},
		"all are gone":                 {seen: sets[0].Link(), at: 4, want: []string{"every set is gone"}},
		"another of the newest number": {sets: sets, seen: Link{sets[0].Name(), anyHash}, at: 4, want: []string{"another set number 4"}},
		"an older one was replaced": {sets: change(2, func(s *Set) { s.SHA256 = anyHash }), want: []string{
			"replaced: it is not the manifest that was here", "its chain does not lead to"}},
		"another layer's":            {sets: change(2, func(s *Set) { s.Layer = "apps" }), want: []string{`belongs to layer "apps"`}},
		"the same number":            {sets: change(1, func(s *Set) { s.Sequence = 2 }), want: []string{"has the same number 2"}},
		"what was lost once":         {sets: change(0, func(s *Set) { s.Lost = []string{"manifest-x"} }), want: []string{"nobody had pruned it"}},
		"what was lost and repeated": {sets: change(0, func(s *Set) { s.Lost = []string{"manifest-x"} }, 2), want: []string{"when " + sets[2].Name() + " was made: "}},
		"what was lost and is here again": {sets: change(0, func(s *Set) { s.Lost = []string{sets[1].Name()} }),
			want: []string{"is here again"}},
		"a loss that is repeated no more": {sets: change(1, func(s *Set) { s.Lost = []string{"manifest-x"} })},
		"what retention let go": {sets: func() []Set {
			all := chained(4)
			all[0].Prunes = []string{all[3].Name()}
			return all[:3]
		}()},
	} {
		t.Run(name, func(t *testing.T) {
			problems := Chain(c.sets, c.seen, c.at)
			if len(problems) != len(c.want) {
				t.Fatalf("%v, want %d", problems, len(c.want))
			}
			for i, p := range problems {
				if !strings.Contains(p.Error(), c.want[i]) {
					t.Errorf("%v, want %q", p, c.want[i])
				}
				removed := strings.Contains(c.want[i], "gone") || strings.Contains(c.want[i], "let it go") || strings.Contains(c.want[i], "rolled back")
				if errors.Is(p, ErrRemoved) != removed {
					t.Errorf("%v: that it was removed: %v", p, !removed)
				}
			}
		})
	}
}

// change is a chain of four with sets that are others.
func change(i int, how func(*Set), more ...int) []Set {
	sets := chained(4)
	for _, i := range append(more, i) {
		how(&sets[i])
	}
	return sets
}
