package setrun

import (
	"fmt"

	"github.com/railiance/railiance/tools/internal/catalog"
)

// Another tells two artifacts of an asset apart that are of two things, of which
// the later one got the name of the earlier: it names what now is of, as
// "another guest", and is empty where both are of the same. A nil one never tells.
type Another func(before, now catalog.Artifact) (what string)

// Doubt says why the new set m is to push out no older one: it is of something
// else than a complete set of the last thirty days, or holds far less. The finding
// that says so is noted in m.
func Doubt(m *catalog.Manifest, sets []catalog.Set, another Another, counts ...Count) (why string, is bool) {
	const meant = "nothing is pruned for thirty days, should this not be meant"
	for _, before := range sets {
		if another == nil || !before.Complete() || m.Time.Sub(before.Time) > collapseFor {
			continue
		}
		for _, a := range m.Artifacts {
			old, there := before.Artifact(a.Asset)
			if !there {
				continue
			}
			if what := another(old, a); what != "" {
				what = "this is " + what + " than the one of " + before.Name()
				m.Findings = append(m.Findings, catalog.Finding{Asset: a.Asset, What: what, Why: meant})
				return what + ": " + meant, true
			}
		}
	}
	if c, collapsed := Collapsed(m, sets, counts...); collapsed {
		return fmt.Sprintf("%s: %d, but %d in %s: %s", c.Count, c.Is, c.Was, c.Before.Name(), meant), true
	}
	return "", false
}
