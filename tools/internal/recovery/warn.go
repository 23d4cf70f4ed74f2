package recovery

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/railiance/railiance/tools/internal/asset"
	"github.com/railiance/railiance/tools/internal/host"
	"github.com/railiance/railiance/tools/internal/tell"
)

// able says early what a restore would lack later.
func (r *Restore) able(ctx context.Context) error {
	datastore, err := oneOf(r.Set, asset.KindEtcd, asset.KindStateDB)
	if err != nil {
		return err
	}
	_, err = r.Layer.K3s.Version(ctx)
	if errors.Is(err, host.ErrNotInstalled) {
		return tell.Hint(err, "install the k3s that made the set (%s) without starting it: INSTALL_K3S_SKIP_START=true INSTALL_K3S_VERSION=… with k3s's installer",
			host.Printable(datastore.Source["k3s"]))
	}
	if err != nil {
		return err
	}
	_, err = r.active(ctx)
	return err
}

var minor = regexp.MustCompile(`\bv[0-9]+\.[0-9]+\b`)

func (r *Restore) warn(ctx context.Context, p *Plan, s *staged) error {
	version, err := r.Layer.K3s.Version(ctx)
	if err != nil {
		return err
	}
	datastore, _ := oneOf(r.Set, asset.KindEtcd, asset.KindStateDB)
	of := datastore.Source["k3s"]
	if minor.FindString(of) != minor.FindString(version) {
		p.Warnings = append(p.Warnings, fmt.Sprintf("the set is of %q, and here is %q: restore with the same minor version, and upgrade after that", host.Printable(of), version))
	}
	name, err := os.Hostname()
	if err != nil {
		return err
	}
	if name != r.Set.Host {
		p.Warnings = append(p.Warnings, fmt.Sprintf("the set is of the machine %q, and this is %q: look at addresses and names in the configuration above; the old node stays listed until you delete it", host.Printable(r.Set.Host), name))
	}
	if servers := datastore.Contents["registry/minions"]; servers > 1 {
		p.Warnings = append(p.Warnings, fmt.Sprintf("the set knows %d nodes: stop k3s on every other server first; the guide says how they come back", servers))
	}
	flags, err := r.unitFlags(s)
	if err != nil {
		return err
	}
	if len(flags) > 0 && p.Datastore == asset.KindEtcd {
		p.Warnings = append(p.Warnings, fmt.Sprintf("the unit passes %s, which the reset does not see: should it fail, put them into %s", strings.Join(flags, " "), r.Layer.K3s.Config))
	}
	for _, f := range r.Set.Findings {
		p.Warnings = append(p.Warnings, host.Printable("the backup said: "+f.What+" ("+f.Why+")"))
	}
	return nil
}

// flag is one at the beginning of a word: two dashes may stand in a secret too.
var flag = regexp.MustCompile(`[\s'"](--[a-z][a-z0-9-]*)`)

// unitFlags are the names of the flags that the unit passes to k3s. Their
// values may be secret.
func (r *Restore) unitFlags(s *staged) ([]string, error) {
	for _, unit := range r.Layer.K3s.Units {
		b, err := content(unit)
		if err == nil && b == nil {
			b, err = content(s.path(path.Join("unit", filepath.Base(unit))))
		}
		if err != nil {
			return nil, err
		}
		for line := range strings.Lines(strings.ReplaceAll(string(b), "\\\n", " ")) {
			if strings.HasPrefix(line, "ExecStart=") {
				var names []string
				for _, match := range flag.FindAllStringSubmatch(line, -1) {
					names = append(names, match[1])
				}
				return names, nil
			}
		}
	}
	return nil, nil
}
