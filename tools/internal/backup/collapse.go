package backup

import (
	"time"

	"github.com/railiance/railiance/tools/internal/catalog"
)

const (
	collapseFrom = 6                   // below which a halving says nothing
	collapseFor  = 30 * 24 * time.Hour // how long an operator may take to notice
)

// collapsed says whether the new set holds less than half of what a complete
// set of the last thirty days held. An empty server that took the place of a
// lost one makes good backups, and seven nights of them would push the last of
// the lost cluster out: so nothing is pruned then.
func (r *Run) collapsed(m *catalog.Manifest, sets []catalog.Set) bool {
	for _, before := range sets {
		if !before.Complete() || m.Time.Sub(before.Time) > collapseFor {
			continue
		}
		for _, a := range m.Artifacts {
			old, _ := before.Artifact(a.Asset)
			for _, count := range []string{"registry/namespaces", "registry/secrets", "releases"} {
				was, is := old.Contents[count], a.Contents[count]
				if was < collapseFrom || 2*is >= was {
					continue
				}
				m.Findings = append(m.Findings, catalog.Finding{Asset: a.Asset, What: "far fewer than before: " + count,
					Why: "no set is pruned for thirty days, should this not be meant"})
				r.Tell.Warn(a.Asset, "%s: %d, but %d in %s: nothing is pruned for thirty days, should this not be meant", count, is, was, before.Name())
				return true
			}
		}
	}
	return false
}
