package catalog

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// night is a set of n nights ago that holds these assets; one with a ! in front
// is in it and failed.
func night(n int, assets ...string) Set {
	at := noon.AddDate(0, 0, -n)
	m := &Manifest{Format: 1, Layer: "cluster", Sequence: int64(1000 - n), Time: at}
	for _, asset := range assets {
		name, failed := strings.CutPrefix(asset, "!")
		if failed {
			m.Failures = append(m.Failures, Failure{name, "broken"})
		}
		m.Artifacts = append(m.Artifacts, Artifact{Name: ArtifactName(name, at, "x"), Asset: name})
	}
	return Set{Manifest: m, SHA256: anyHash}
}

func protected(s Set) Set {
	s.Protected = true
	return s
}

// going are the numbers of the nights that retention lets go.
func going(sets []Set, keep Keep) []int {
	var gone []int
	for i, v := range Retain(sets, keep, noon) {
		if v.Goes() {
			gone = append(gone, i)
		}
	}
	return gone
}

func TestRetain(t *testing.T) {
	for name, c := range map[string]struct {
		keep Keep
		sets []Set
		want []int // indexes of those that go
	}{
		"the last ones":  {Keep{Last: 2}, []Set{night(1, "a", "b"), night(2, "a", "b"), night(3, "a", "b")}, []int{2}},
		"nothing is set": {Keep{}, []Set{night(1, "a"), night(2, "a")}, nil},
		"protected ones are not counted": {Keep{Last: 1}, []Set{
			protected(night(1, "a")), night(2, "a"), night(3, "a"), protected(night(4, "a")),
		}, []int{2}},
		"the future is not counted":                    {Keep{Last: 1}, []Set{night(-2, "a"), night(-1, "a"), night(1, "a"), night(2, "a")}, []int{3}},
		"a partial set pushes no good copy out":        {Keep{Last: 1}, []Set{night(1, "a", "!b"), night(2, "a", "b"), night(3, "a", "b")}, []int{2}},
		"each asset has its own copies":                {Keep{Last: 1}, []Set{night(1, "a", "!b"), night(2, "!a", "b"), night(3, "a", "b"), night(4, "a", "b")}, []int{3}},
		"an asset that is no more is kept in its last": {Keep{Last: 1}, []Set{night(1, "a"), night(2, "a"), night(3, "a", "old"), night(4, "a", "old")}, []int{1, 3}},
		"after thirty days it is not":                  {Keep{Last: 1}, []Set{night(1, "a"), night(32, "a", "old"), night(33, "a", "old")}, []int{1, 2}},
		"thirty days of failures retire nothing":       {Keep{Last: 1}, []Set{night(1, "a", "!b"), night(40, "a", "b"), night(41, "a", "b")}, []int{2}},
		"nor does a set of next year":                  {Keep{Last: 1}, []Set{night(-365, "a"), night(1, "a"), night(2, "a")}, []int{2}},
		"the newest complete one stays":                {Keep{Last: 1}, []Set{night(1, "a", "!b"), night(2, "!a", "b"), night(3, "a", "b")}, nil},
		"the newest stays whatever it is":              {Keep{Last: 1}, []Set{night(1, "!a"), night(2, "a")}, nil},
		"all of them partial":                          {Keep{Last: 1}, []Set{night(1, "a", "!b"), night(2, "a", "!b")}, []int{1}},
		"none":                                         {Keep{Last: 1}, nil, nil},
	} {
		if got := going(c.sets, c.keep); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v go, want %v", name, got, c.want)
		}
	}
}

// Days are the operator's, not those of UTC.
func TestRetainCountsLocalDays(t *testing.T) {
	zone := time.FixedZone("far east", 9*3600)
	at := func(hour int) Set {
		m := &Manifest{Time: time.Date(2026, 11, 20, hour, 0, 0, 0, time.UTC), Sequence: int64(hour), Artifacts: []Artifact{{Asset: "a"}}}
		return Set{Manifest: m}
	}
	// 16:00 and 14:00 UTC are two days there, 16:00 and 15:00 are one.
	sets := []Set{at(16), at(15), at(14)}
	var stay []int
	for i, v := range Retain(sets, Keep{Daily: 2}, time.Date(2026, 11, 21, 12, 0, 0, 0, zone)) {
		if !v.Goes() {
			stay = append(stay, i)
		}
	}
	if !slices.Equal(stay, []int{0, 2}) {
		t.Errorf("%v stay, want the newest of each day there, 0 and 2", stay)
	}
}

func TestKeepCheck(t *testing.T) {
	if err := (Keep{Last: 7, Yearly: 3}).Check(); err != nil {
		t.Error(err)
	}
	for _, k := range []Keep{{Last: -1}, {Hourly: -1}, {Daily: -1}, {Weekly: -1}, {Monthly: -1}, {Yearly: -1}} {
		if err := k.Check(); err == nil || !strings.Contains(err.Error(), "-1 is below 0") {
			t.Errorf("%+v: %v", k, err)
		}
	}
}

// Why a set stays is said once where it holds for all of it.
func TestReasons(t *testing.T) {
	now := time.Date(2026, 11, 21, 2, 0, 0, 0, time.UTC)
	set := func(days int, failed string, assets ...string) Set {
		m := &Manifest{Time: now.AddDate(0, 0, -days)}
		for _, asset := range assets {
			m.Artifacts = append(m.Artifacts, Artifact{Asset: asset})
		}
		if failed != "" {
			m.Failures = []Failure{{Asset: failed}}
		}
		return Set{Manifest: m}
	}
	verdicts := Retain([]Set{set(0, "", "a", "b"), set(1, "a", "a", "b"), set(2, "", "a", "b")}, Keep{Last: 2}, now)
	for i, want := range []string{"last 1 of 2", "b: last 2 of 2", "a: last 2 of 2"} {
		if got := strings.Join(verdicts[i].Reasons, "; "); got != want {
			t.Errorf("set %d: %q, want %q", i, got, want)
		}
	}
}

func TestFindDropped(t *testing.T) {
	for name, c := range map[string]struct {
		sets []Set
		want []string // asset and night
	}{
		"none":                           {[]Set{night(1, "a", "b"), night(2, "a", "b")}, nil},
		"one":                            {[]Set{night(1, "a"), night(2, "a", "b"), night(3, "a", "b")}, []string{"b 2"}},
		"the last one whole":             {[]Set{night(1, "a"), night(2, "a", "!b"), night(3, "a", "b")}, []string{"b 3"}},
		"a failure of tonight is none":   {[]Set{night(1, "a", "!b"), night(2, "a", "b")}, nil},
		"nor is one after it":            {[]Set{night(1, "a", "!b"), night(2, "a"), night(3, "a", "b")}, []string{"b 3"}},
		"one that is new":                {[]Set{night(1, "a", "!b", "c"), night(2, "a", "b")}, nil},
		"no set was ever complete":       {[]Set{night(1, "!a"), night(2, "!a", "b")}, nil},
		"one from the future is no past": {[]Set{night(-5, "a"), night(2, "a", "b")}, []string{"b 2"}},
	} {
		var got []string
		for _, d := range FindDropped(c.sets) {
			got = append(got, fmt.Sprint(d.Asset, " ", int(noon.Sub(d.Last.Time).Hours()/24)))
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}
