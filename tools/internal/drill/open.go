package drill

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/railiance/railiance/tools/internal/asset"
	"github.com/railiance/railiance/tools/internal/host"
	"github.com/railiance/railiance/tools/internal/opening"
	"github.com/railiance/railiance/tools/internal/tell"
)

// notBooted says why k3s is not going to be started, or "" if it is.
func (d *Drill) notBooted(ctx context.Context) (string, error) {
	if d.ContentsOnly {
		return "not asked for", nil
	}
	datastore, there := d.datastore()
	if !there {
		return "the set holds no datastore", nil
	}
	version, err := asset.K3s{}.Version(ctx)
	if errors.Is(err, host.ErrNotInstalled) {
		return "k3s is not installed here", nil
	}
	if saved := datastore.Source["k3s"]; err == nil && saved != version {
		d.Tell.Warn(datastore.Asset, "saved by %s, tried with %s: a restore should use the version of its time", host.Printable(saved), version)
	}
	if err == nil && os.Geteuid() != 0 {
		err = errors.New("k3s can be started apart from the machine by root alone")
	}
	return "", tell.Hint(err, "--contents-only proves that everything opens and counts up, without k3s")
}

// open decrypts, checks and counts every artifact. One that fails does not
// keep the others from being tried.
func (d *Drill) open(ctx context.Context, r *room, t *tally) (files, error) {
	opened := files{}
	for _, a := range d.Set.Artifacts {
		d.Tell.Say(a.Asset, "opening %s, %s", a.Name, tell.Bytes(a.Size))
		f, err := r.file(a.Asset)
		if err != nil {
			return opened, err
		}
		opened[a.Asset] = f
		err = opening.Artifact(ctx, d.Store, a, d.Keys, f)
		if ctx.Err() != nil {
			return opened, fmt.Errorf("stopped: %w", context.Cause(ctx))
		}
		c := good("open", a.Name)
		if err != nil {
			c = bad("open", a.Name, err)
		}
		if err := t.add(c); err != nil {
			return opened, err
		}
	}
	return opened, nil
}
