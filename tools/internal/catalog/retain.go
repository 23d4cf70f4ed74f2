package catalog

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Verdict is what retention says of one set.
type Verdict struct {
	Set     *Manifest
	Reasons []string // why it stays; none: it goes
}

// retiredAfter is for how long complete sets must have been without an asset
// until it counts as one that the layer owns no more.
const retiredAfter = 30 * 24 * time.Hour

// Dropped is an asset that the newest complete set does not hold any more.
type Dropped struct {
	Asset string
	Last  *Manifest // the newest that holds it
}

// FindDropped finds the assets that have dropped out of the sets, which are the
// newest first: a line that is missing in layer.yaml fails no backup.
func FindDropped(sets []Set) []Dropped {
	newest, ok := NewestComplete(sets)
	if !ok {
		return nil
	}
	var all []Dropped
	told := map[string]bool{}
	for _, s := range sets {
		for _, a := range s.Artifacts {
			if told[a.Asset] || !s.Time.Before(newest.Time) || newest.Holds(a.Asset) || !s.Holds(a.Asset) {
				continue
			}
			told[a.Asset] = true
			all = append(all, Dropped{a.Asset, s.Manifest})
		}
	}
	return all
}

func (d Dropped) String() string {
	return fmt.Sprintf("no set holds it since %s: layer.yaml names it no more, or this server has none; "+
		"thirty days after that set its last backups are pruned", d.Last.Name())
}

// Goes says whether the set goes.
func (v Verdict) Goes() bool { return len(v.Reasons) == 0 }

// Retain says of each set whether it stays, at the time now. The policy runs
// once for every asset over the sets that hold it whole, so that a set in which
// one asset failed never displaces an older, good copy of that asset.
//
// Whatever the policy says, these stay: the newest complete set, the newest set
// of all, protected sets, and sets from the future, whose clock or ours is
// wrong; the last two kinds are not counted.
func Retain(sets []Set, keep Keep, now time.Time) []Verdict {
	verdicts := make([]Verdict, len(sets))
	assets := map[string][]int{}
	for i, s := range sets {
		verdicts[i].Set = s.Manifest
		switch {
		case s.Protected:
			verdicts[i].Reasons = append(verdicts[i].Reasons, "protected")
			continue
		case s.Time.After(now):
			verdicts[i].Reasons = append(verdicts[i].Reasons, "from the future")
			continue
		}
		for _, a := range s.Artifacts {
			if s.Holds(a.Asset) {
				assets[a.Asset] = append(assets[a.Asset], i)
			}
		}
	}
	newest, complete := NewestComplete(sets)
	stays := make([]map[string][]string, len(sets)) // for that reason: these assets
	past, _ := NewestComplete(slices.DeleteFunc(slices.Clone(sets), func(s Set) bool { return s.Time.After(now) }))
	for _, name := range slices.Sorted(maps.Keys(assets)) {
		// One that the layer has owned no more for long keeps no set.
		if past.Manifest != nil && past.Time.Sub(sets[assets[name][0]].Time) > retiredAfter {
			continue
		}
		times := make([]time.Time, len(assets[name]))
		for j, i := range assets[name] {
			times[j] = sets[i].Time.In(now.Location())
		}
		for j, reasons := range keep.Reasons(times) {
			for _, r := range reasons {
				i := assets[name][j]
				if stays[i] == nil {
					stays[i] = map[string][]string{}
				}
				stays[i][r] = append(stays[i][r], name)
			}
		}
	}
	for i, s := range sets {
		for _, r := range slices.Sorted(maps.Keys(stays[i])) {
			names := stays[i][r]
			if len(names) < len(s.Artifacts) {
				r = strings.Join(names, ", ") + ": " + r
			}
			verdicts[i].Reasons = append(verdicts[i].Reasons, r)
		}
	}
	if len(sets) > 0 && verdicts[0].Goes() {
		verdicts[0].Reasons = []string{"the newest set"}
	}
	if complete {
		for i := range verdicts {
			if verdicts[i].Set == newest.Manifest && verdicts[i].Goes() {
				verdicts[i].Reasons = []string{"the newest complete set"}
			}
		}
	}
	return verdicts
}
