package backup

import (
	"github.com/railiance/railiance/tools/internal/catalog"
	"github.com/railiance/railiance/tools/internal/setrun"
)

// collapsed tells of an empty cluster that took the place of a lost one.
func (r *Run) collapsed(m *catalog.Manifest) bool {
	const least = 6
	c, is := setrun.Collapsed(m, r.folder.Sets,
		setrun.Count{Name: "registry/namespaces", Least: least},
		setrun.Count{Name: "registry/secrets", Least: least},
		setrun.Count{Name: "releases", Least: least})
	if is {
		r.Tell.Warn(c.Asset, "%s: %d, but %d in %s: nothing is pruned for thirty days, should this not be meant", c.Count, c.Is, c.Was, c.Before.Name())
	}
	return is
}
