package recovery

import (
	"bytes"
	"context"
	"fmt"
	"path"
	"path/filepath"

	"github.com/railiance/railiance/tools/internal/asset"
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
	return p, r.warn(ctx, &p, s)
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
