package recovery

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"

	"github.com/railiance/railiance/tools/internal/asset"
	"github.com/railiance/railiance/tools/internal/catalog"
	"github.com/railiance/railiance/tools/internal/host"
	"github.com/railiance/railiance/tools/internal/tell"
)

// Plan is what a restore is about to do, for a person to agree to. It holds no
// secret.
type Plan struct {
	Format    int          `json:"format"`
	Manifest  string       `json:"manifest"`
	Host      string       `json:"host"` // that the set is of
	Datastore string       `json:"datastore"`
	Stands    string       `json:"stands,omitempty"` // of a restore that was interrupted
	Differs   []Difference `json:"differs,omitempty"`
	Warnings  []string     `json:"warnings,omitempty"`
	Steps     []string     `json:"steps"`
}

// Difference is how something here differs from the set.
type Difference struct {
	What  string   `json:"what"`
	How   string   `json:"how"`
	Lines []string `json:"lines,omitempty"` // "- " here, "+ " in the set
}

func (r *Restore) plan(ctx context.Context, s *staged, steps []step) (Plan, error) {
	p := Plan{Format: 1, Manifest: r.Set.Name(), Host: r.Set.Host, Datastore: r.kind()}
	if r.journal.Steps != nil {
		p.Stands = r.journal.Stands()
	}
	for _, step := range steps {
		p.Steps = append(p.Steps, step.what)
	}
	if s == nil {
		return p, nil
	}
	if err := r.compareServer(&p, s); err != nil {
		return p, err
	}
	joins, err := r.joins(s)
	if err != nil {
		return p, err
	}
	if joins && p.Datastore == asset.KindEtcd {
		return p, tell.Hint(fmt.Errorf("its configuration has 'server:': this server joined another, and k3s resets no cluster then"),
			"restore on the server that the others joined; or take that line out of %s and keep it: --keep-config", r.Layer.K3s.Config)
	}
	return p, r.warn(ctx, &p)
}

func (r *Restore) compareServer(p *Plan, s *staged) error {
	k := r.Layer.K3s
	here, err := content(k.Token())
	if err != nil {
		return err
	}
	there, err := content(s.path(asset.MemberToken))
	if err != nil {
		return err
	}
	how := "changed since the set: that of the set is put in its place"
	switch {
	case here == nil:
		how = "none here: that of the set is put in place"
	case bytes.Equal(bytes.TrimSpace(here), bytes.TrimSpace(there)):
		how = "the same"
	}
	p.Differs = append(p.Differs, Difference{What: "server token", How: how})
	files, err := r.configFiles(s)
	if err != nil {
		return err
	}
	for _, f := range files {
		d, err := r.compareFile(f, s)
		if err != nil {
			return err
		}
		if d.How != "" {
			p.Differs = append(p.Differs, d)
		}
	}
	for _, unit := range k.Units {
		member := path.Join("unit", filepath.Base(unit))
		here, err := content(unit)
		if err != nil {
			return err
		}
		there, err := content(s.path(member))
		if err != nil {
			return err
		}
		switch {
		case there == nil || bytes.Equal(here, there):
		case here == nil:
			p.Differs = append(p.Differs, Difference{What: unit, How: "none here: that of the set is put in place"})
		default:
			p.Differs = append(p.Differs, Difference{What: unit, How: "differs from the set's, and stays: compare the flags by hand (apply --asset k3s-server --to DIR --unpack)"})
		}
	}
	if s.kubeconfigTo != "" {
		p.Differs = append(p.Differs, Difference{What: s.kubeconfigTo, How: "none here: that of the set is put in place"})
	}
	return nil
}

func (r *Restore) compareFile(f configFile, s *staged) (Difference, error) {
	d := Difference{What: f.path}
	here, err := content(f.path)
	if err != nil {
		return d, err
	}
	there, err := content(s.path(f.member))
	if err != nil {
		return d, err
	}
	switch {
	case bytes.Equal(here, there) && (here == nil) == (there == nil):
		return d, nil
	case there == nil:
		d.How = "not in the set: goes"
	case here == nil:
		d.How = "none here: that of the set is put in place"
	default:
		d.How = "that of the set is put in its place"
	}
	if r.KeepConfig {
		d.How = "differs from the set's, and stays as you asked"
	}
	d.Lines, err = settings(here, there)
	if err != nil {
		d.Lines = []string{"~ it cannot be shown: " + err.Error()}
	} else if len(d.Lines) == 0 {
		d.Lines = []string{"~ comments or order alone"}
	}
	return d, nil
}

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

func (r *Restore) warn(ctx context.Context, p *Plan) error {
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
	for _, f := range r.Set.Findings {
		p.Warnings = append(p.Warnings, host.Printable("the backup said: "+f.What+" ("+f.Why+")"))
	}
	return nil
}

// Restorable says whether the set holds everything that a whole restore needs.
func Restorable(s catalog.Set) bool {
	_, err := oneOf(s, asset.KindEtcd, asset.KindStateDB)
	_, err2 := oneOf(s, asset.KindServer)
	return err == nil && err2 == nil
}
