package restorecli

import (
	"strings"
	"time"

	"github.com/railiance/railiance/tools/internal/catalog"
	"github.com/railiance/railiance/tools/internal/layer"
	"github.com/railiance/railiance/tools/internal/layercli"
	"github.com/railiance/railiance/tools/internal/plugin"
	"github.com/railiance/railiance/tools/internal/schedule"
)

// slack is what a backup may take besides its assets: reading the older sets,
// pruning, telling.
const slack = 15 * time.Minute

func schedulePlan(sh *plugin.Shell, l *layer.Layer, bin string) (schedule.Plan, error) {
	p, err := layercli.SchedulePlan(sh, l, bin, catalog.ArtifactName(l.Assets[0].Name, sh.Now(), "x"))
	p.Backup, p.Restore = strings.Replace(sh.Program, "-restore-", "-backup-", 1), sh.Program
	p.After = []string{strings.TrimSuffix(l.K3s.Service, ".service") + ".service"}
	p.Timeout = slack
	for _, a := range l.Assets {
		p.Timeout += a.Timeout
	}
	return p, err
}
