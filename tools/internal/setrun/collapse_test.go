package setrun_test

import (
	"testing"
	"time"

	"github.com/railiance/railiance/tools/internal/catalog"
	"github.com/railiance/railiance/tools/internal/setrun"
)

func TestCollapsed(t *testing.T) {
	now := time.Date(2026, 11, 21, 2, 0, 0, 0, time.UTC)
	set := func(age time.Duration, secrets int64) *catalog.Manifest {
		return &catalog.Manifest{Time: now.Add(-age), Artifacts: []catalog.Artifact{
			{Asset: "etcd", Contents: catalog.Contents{"registry/secrets": secrets, "registry/pods": 1}},
		}}
	}
	day := 24 * time.Hour
	for _, c := range []struct {
		name   string
		now    int64
		before []*catalog.Manifest
		want   bool
	}{
		{"the first set", 3, nil, false},
		{"as many", 40, []*catalog.Manifest{set(day, 40)}, false},
		{"half is left", 20, []*catalog.Manifest{set(day, 40)}, false},
		{"less than half", 19, []*catalog.Manifest{set(day, 40)}, true},
		{"empty, and so was last night's", 1, []*catalog.Manifest{set(day, 1), set(2*day, 40)}, true},
		{"empty for longer than thirty days", 1, []*catalog.Manifest{set(day, 1), set(31*day, 40)}, false},
		{"a small cluster", 1, []*catalog.Manifest{set(day, 5)}, false},
	} {
		var sets []catalog.Set
		for _, m := range c.before {
			sets = append(sets, catalog.Set{Manifest: m})
		}
		m := set(0, c.now)
		if _, got := setrun.Collapsed(m, sets, setrun.Count{Name: "registry/secrets", Least: 6}); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
		if (len(m.Findings) > 0) != c.want {
			t.Errorf("%s: findings %v", c.name, m.Findings)
		}
	}
}
