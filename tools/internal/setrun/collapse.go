package setrun

import (
	"slices"
	"time"

	"github.com/railiance/railiance/tools/internal/catalog"
)

// collapseFor is how long an operator may take to notice.
const collapseFor = 30 * 24 * time.Hour

// Count is a count of Contents that shows when the thing behind it collapses.
type Count struct {
	Name  string
	Least int64 // below which a halving says nothing
}

// Collapse is a count that has more than halved.
type Collapse struct {
	Asset   string
	Count   string
	Was, Is int64
	Before  *catalog.Manifest
}

// Collapsed says whether the new set m holds less than half of what a complete
// set of the last thirty days held. What is empty and took the place of
// something lost makes good backups, and seven nights of them would push the
// last of the lost one out: so nothing is pruned then. The finding that says so
// is noted in m.
func Collapsed(m *catalog.Manifest, sets []catalog.Set, counts ...Count) (Collapse, bool) {
	for _, before := range sets {
		if !before.Complete() || m.Time.Sub(before.Time) > collapseFor {
			continue
		}
		for _, a := range m.Artifacts {
			old, _ := before.Artifact(a.Asset)
			i := slices.IndexFunc(counts, func(c Count) bool {
				was, is := old.Contents[c.Name], a.Contents[c.Name]
				return was >= c.Least && 2*is < was
			})
			if i < 0 {
				continue
			}
			count := counts[i].Name
			m.Findings = append(m.Findings, catalog.Finding{Asset: a.Asset, What: "far fewer than before: " + count,
				Why: "no set is pruned for thirty days, should this not be meant"})
			return Collapse{a.Asset, count, old.Contents[count], a.Contents[count], before.Manifest}, true
		}
	}
	return Collapse{}, false
}
