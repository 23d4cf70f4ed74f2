package pvecli

import (
	"path/filepath"
	"time"

	"github.com/railiance/railiance/tools/internal/catalog"
	"github.com/railiance/railiance/tools/internal/clustercontext"
	"github.com/railiance/railiance/tools/internal/guestset"
	"github.com/railiance/railiance/tools/internal/layer"
	"github.com/railiance/railiance/tools/internal/layercli"
	"github.com/railiance/railiance/tools/internal/plugin"
	"github.com/railiance/railiance/tools/internal/schedule"
)

// A night's run is ended before the next one begins; each guest has a limit of
// its own.
const (
	nightTimeout  = 23 * time.Hour
	verifyTimeout = 20 * time.Hour
	drillTimeout  = 20 * time.Hour // the largest guest has its Sunday, too
)

// schedulePlan is what a night does: what has no set of the last twenty hours is
// backed up, so that a run by hand in the evening is not repeated, and a
// twentieth of the older sets is read. A percent sign would end cron's line.
func schedulePlan(sh *plugin.Shell, l *layer.Layer, bin string) (schedule.Plan, error) {
	e := &estate{Shell: sh, layer: l}
	if l.Guests == nil {
		return schedule.Plan{}, errNoGuests(l)
	}
	if err := e.readContext(); err != nil {
		return schedule.Plan{}, err
	}
	vm := guestset.Guest(guestset.VM, 100).String()
	p, err := layercli.SchedulePlan(sh, l, bin, filepath.Join(vm, catalog.ArtifactName(vm, sh.Now(), guestset.ExtVMA)))
	if err != nil {
		return p, err
	}
	p.Backup, p.Restore = sh.Program, sh.Program
	p.Verbs = schedule.Verbs{Backup: "backup --all --if-older-than 20h", Verify: "verify --sample 0.05", Drill: "drill --oldest-drilled"}
	p.Timeout, p.Reading, p.Drilling = nightTimeout, verifyTimeout, drillTimeout
	p.After = []string{"network-online.target"}
	p.Writable = append(p.Writable, l.Dir) // discoveries, changelogs
	described, err := e.described(l.Guests.Sites)
	if err != nil {
		return p, err
	}
	for _, s := range described {
		if s.Type == clustercontext.StoreDir {
			p.Writable = append(p.Writable, s.Path)
		}
	}
	return p, nil
}
