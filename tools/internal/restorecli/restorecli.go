// Package restorecli is the command line of the executables that restore a
// layer: everything but the backup itself, each verb in a file of its own.
package restorecli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/railiance/railiance/tools/internal/catalog"
	"github.com/railiance/railiance/tools/internal/layer"
	"github.com/railiance/railiance/tools/internal/layercli"
	"github.com/railiance/railiance/tools/internal/plugin"
	"github.com/railiance/railiance/tools/internal/sign"
	"github.com/railiance/railiance/tools/internal/store"
)

// Command is every verb of a restore executable.
func Command(sh *plugin.Shell) *cobra.Command {
	root := &cobra.Command{Short: "Restore a layer, and prove that it can be restored"}
	root.AddCommand(
		list(sh),
		apply(sh),
		values(sh),
		verify(sh),
		status(sh),
		plan(sh),
		layercli.Trust(sh),
		layercli.Init(sh),
		drillVerb(sh),
		drillInsideVerb(),
		layercli.Schedule(sh, schedulePlan),
	)
	return root
}

// sets reads the sets of a layer under the signatures that are trusted.
func sets(ctx context.Context, l *layer.Layer) (*store.Dir, []catalog.Set, []catalog.Problem, error) {
	dir, err := store.OpenDir(l.Backups)
	if err != nil {
		return nil, nil, nil, err
	}
	trusted, err := sign.LoadTrust(l.Signers)
	if err != nil {
		return nil, nil, nil, err
	}
	found, problems, err := catalog.Read(ctx, dir, trusted)
	return dir, found, problems, err
}
