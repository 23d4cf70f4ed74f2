package guestrestore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/railiance/railiance/tools/internal/guestset"
	"github.com/railiance/railiance/tools/internal/pve"
	"github.com/railiance/railiance/tools/internal/tell"
)

// Plan is what a restore is about to do.
type Plan struct {
	ID      int
	Node    string
	Storage string     // empty: each disk where it was
	Unique  bool       // the original is there, too
	Old     *pve.Guest // is replaced
	About   guestset.About

	container container
	alone     bool // no disk has the number yet
}

// plan looks whether the guest can be put where it was asked for.
func (r *Restore) plan(ctx context.Context, s Source, about guestset.About) (Plan, error) {
	p := Plan{ID: r.ID, Node: r.Node, Storage: r.Storage, Unique: r.Unique, About: about}
	if p.ID == 0 {
		p.ID = s.Subject.ID
	}
	if p.Node == "" {
		p.Node = about.Node
	}
	if err := r.target(ctx, s, &p); err != nil {
		return p, err
	}
	if _, err := r.Cluster.Context.Node(p.Node); err != nil {
		return p, tell.Hint(err, "--node names another")
	}
	if p.ID != s.Subject.ID {
		switch _, err := r.Cluster.Locate(ctx, s.Subject.ID); {
		case err == nil:
			p.Unique = true
		case !errors.Is(err, pve.ErrNoGuest):
			return p, err
		}
	}
	if s.Subject.Kind == guestset.CT {
		var bytes int64
		if about.Tar != nil {
			bytes = about.Tar.Bytes
		}
		var err error
		if p.container, err = containerOf(about.Config, bytes); err != nil {
			return p, err
		}
		for _, option := range p.container.dropped {
			r.Tell.Warn(s.Subject.String(), "not as it was: %s", option)
		}
	}
	if err := r.room(ctx, s, &p); err != nil {
		return p, err
	}
	there, err := r.Cluster.Volumes(ctx, p.Node, p.ID)
	if p.alone = len(there) == 0; !p.alone && p.Old == nil {
		r.Tell.Warn(s.Subject.String(), "there is no guest %d, and yet its disks %s: they stay", p.ID, strings.Join(there, ", "))
	}
	return p, err
}

// target sees who has the number.
func (r *Restore) target(ctx context.Context, s Source, p *Plan) error {
	old, err := r.Cluster.Locate(ctx, p.ID)
	if errors.Is(err, pve.ErrNoGuest) {
		return nil
	}
	if err != nil {
		return err
	}
	name := fmt.Sprintf("%s %d (%s) on %s", old.Short(), old.ID, old.Name, old.Node)
	switch {
	case !r.Replace:
		return tell.Hint(fmt.Errorf("%s is there: %w", name, pve.ErrTaken), "--as gives the restored guest another number; --replace destroys the one that is there")
	case old.Short() != s.Subject.Kind:
		return fmt.Errorf("%s is no %s: it is not replaced by one", name, s.Subject.Kind)
	case r.Node != "" && r.Node != old.Node:
		return tell.Hint(fmt.Errorf("%s is not on %s", name, r.Node), "a guest is replaced on its own node: leave --node out")
	case old.Status != pve.Stopped:
		return tell.Hint(fmt.Errorf("%s is %s", name, old.Status), "shut it down first: it is not torn away under its users")
	case old.Lock != "":
		return fmt.Errorf("%s is locked (%s): %w", name, old.Lock, pve.ErrLocked)
	case old.Template:
		return fmt.Errorf("%s is a template: others may be made of its disks", name)
	}
	managed, err := r.Cluster.Managed(ctx, old)
	if err != nil {
		return err
	}
	if managed {
		return tell.Hint(fmt.Errorf("%s is kept up by the cluster (HA), which would start or move it meanwhile", name),
			"ha-manager set %[1]s:%[2]d --state disabled, and ha-manager remove %[1]s:%[2]d; ha-manager add puts it back afterwards", old.Short(), old.ID)
	}
	p.Old, p.Node = &old, old.Node
	return nil
}

// room sees that the storages are there, and have room.
func (r *Restore) room(ctx context.Context, s Source, p *Plan) error {
	all, err := r.Cluster.Storages(ctx, p.Node)
	if err != nil {
		return err
	}
	content, names := "images", storagesOf(p.About.Config)
	var need, size int64
	for _, d := range p.About.Disks {
		need += d.Stored
		size += d.Size
	}
	if s.Subject.Kind == guestset.CT {
		content, names = "rootdir", p.container.storages()
		if p.About.Tar != nil {
			need, size = p.About.Tar.Bytes, p.About.Tar.Bytes
		}
	}
	switch {
	case p.Storage != "":
		names = []string{p.Storage}
		for i := range p.container.mounts {
			p.container.mounts[i].Storage = p.Storage
		}
	case s.Subject.Kind == guestset.CT:
		p.Storage = p.container.storage
	case len(names) == 1:
		p.Storage = names[0]
	}
	single := p.Storage != "" && len(names) == 1
	var good []string
	free := int64(0)
	for _, st := range all {
		if !st.Active || !slices.Contains(st.Content, content) {
			continue
		}
		good = append(good, fmt.Sprintf("%s (%s free)", st.Name, tell.Bytes(st.Free)))
		if i := slices.Index(names, st.Name); i >= 0 {
			names = slices.Delete(names, i, i+1)
			free += st.Free
		}
	}
	switch {
	case len(names) > 0:
		return tell.Hint(fmt.Errorf("node %s: storage %s is not there, or takes no guests of this kind", p.Node, strings.Join(names, ", ")),
			"--storage names one of: %s", strings.Join(good, ", "))
	case need > free && single:
		return tell.Hint(fmt.Errorf("node %s: storage %s has %s free, and the guest needs %s", p.Node, p.Storage, tell.Bytes(free), tell.Bytes(need)),
			"--storage names one of: %s", strings.Join(good, ", "))
	case size > free && single:
		r.Tell.Warn(s.Subject.String(), "storage %s has %s free, and the disks are of %s when they are full", p.Storage, tell.Bytes(free), tell.Bytes(size))
	}
	return nil
}
