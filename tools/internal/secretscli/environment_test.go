package secretscli

import (
	"slices"
	"strings"
	"testing"

	"github.com/railiance/railiance/tools/internal/tell"
)

const canary = "c4n4ry" // part of every value

func TestEnvironment(t *testing.T) {
	ours := []string{"PATH=/bin", "TAKEN=mine", "SOPS_AGE_KEY=" + canary, "SOPS_AGE_SSH_PRIVATE_KEY_FILE=/key", "TAKEN=again"}
	bare := []string{"PATH=/bin", "TAKEN=mine", "TAKEN=again"}
	a := func(name, text string) value { return value{"a.yaml", name, text} }
	for _, tt := range []struct {
		name   string
		values []value
		rules  rules
		want   []string
	}{
		{"a value", []value{a("NEW", canary)}, rules{}, append(slices.Clone(bare), "NEW="+canary)},
		{"an empty one", []value{a("NEW", "")}, rules{}, append(slices.Clone(bare), "NEW=")},
		{"names as they are written", []value{a("new_1", canary), a("_", "x")}, rules{}, append(slices.Clone(bare), "new_1="+canary, "_=x")},
		{"override takes every one away", []value{a("TAKEN", canary)}, rules{override: true}, []string{"PATH=/bin", "TAKEN=" + canary}},
		{"keys that are kept", []value{a("NEW", canary)}, rules{keepKey: true}, append(slices.Clone(ours), "NEW="+canary)},
		{"the largest", []value{a("N", strings.Repeat("x", maxVariable-1))}, rules{}, append(slices.Clone(bare), "N="+strings.Repeat("x", maxVariable-1))},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := environment(ours, tt.values, tt.rules)
			if err != nil || !slices.Equal(got, tt.want) {
				t.Errorf("%v\n%.200q, want\n%.200q", err, got, tt.want)
			}
		})
	}
}

func TestEnvironmentRefused(t *testing.T) {
	a := func(name, text string) value { return value{"a.yaml", name, text} }
	for _, tt := range []struct {
		name   string
		values []value
		rules  rules
		want   []string
	}{
		{"taken ones", []value{a("HERE", canary), a("THERE", canary), a("NEW", canary)}, rules{}, []string{"the environment has these already: HERE, THERE"}},
		{"in two files", []value{a("NEW", canary), {"b.env", "NEW", canary}}, rules{override: true}, []string{"NEW: in both a.yaml and b.env"}},
		{"every fault at once", []value{a("1", canary), a("HERE", canary), a("A-B", canary)}, rules{}, []string{"a.yaml: 1: not a name", "A-B: not a name", "already: HERE"}},
		{"no name", []value{a("", canary)}, rules{}, []string{"not a name"}},
		{"a name with =", []value{a("A=B", canary)}, rules{}, []string{"not a name"}},
		{"a name with a zero", []value{a("A\x00B", canary)}, rules{}, []string{"not a name"}},
		{"a name with a line", []value{a("A\n", canary)}, rules{}, []string{"not a name"}},
		{"a name that is no ASCII", []value{a("SCHLÜSSEL", canary)}, rules{}, []string{"not a name"}},
		{"a long name", []value{a(strings.Repeat("A", 300), canary)}, rules{}, []string{"AAA…: not a name"}},
		{"the path", []value{a("PATH", canary)}, rules{override: true}, []string{"decides which program runs"}},
		{"the loader", []value{a("LD_PRELOAD", canary)}, rules{}, []string{"decides which program runs"}},
		{"a function of bash", []value{a("BASH_ENV", canary)}, rules{}, []string{"decides which program runs"}},
		{"a key for the next one", []value{a("SOPS_AGE_KEY_CMD", canary)}, rules{}, []string{"decides which program runs"}},
		{"a zero", []value{a("NEW", canary+"\x00")}, rules{}, []string{"NEW: its value holds a zero byte"}},
		{"a large one", []value{a("NEW", strings.Repeat(canary, 30000))}, rules{}, []string{"NEW: its value has"}},
		{"one byte too many", []value{a("N", strings.Repeat("x", maxVariable))}, rules{}, []string{"N: its value has"}},
		{"too much together", []value{
			a("A", strings.Repeat("x", 120<<10)), a("B", strings.Repeat("x", 120<<10)), a("C", strings.Repeat("x", 120<<10)),
			a("D", strings.Repeat("x", 120<<10)), a("E", strings.Repeat("x", 120<<10)), a("F", strings.Repeat("x", 120<<10)),
			a("G", strings.Repeat("x", 120<<10)), a("H", strings.Repeat("x", 120<<10)), a("I", strings.Repeat("x", 120<<10)),
		}, rules{}, []string{"fit into an environment"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := environment([]string{"HERE=mine", "THERE="}, tt.values, tt.rules)
			if err == nil || got != nil {
				t.Fatalf("taken: %.200q", got)
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("want %q in: %v", want, err)
				}
			}
			if text := err.Error() + strings.Join(tell.Hints(err), ""); strings.Contains(text, canary) || strings.ContainsRune(text, 0) {
				t.Errorf("it tells too much: %q", text)
			}
		})
	}
}

func TestQuoted(t *testing.T) {
	for _, tt := range []struct {
		v    value
		want bool
	}{
		{value{"a.env", "A", `"x"`}, true},
		{value{"a.env", "A", `'x'`}, true},
		{value{"a.env", "A", `"x'`}, false},
		{value{"a.env", "A", `"`}, false},
		{value{"a.env", "A", ``}, false},
		{value{"a.yaml", "A", `"x"`}, false},
	} {
		if got := tt.v.quoted(); got != tt.want {
			t.Errorf("%+v: %v", tt.v, got)
		}
	}
}
