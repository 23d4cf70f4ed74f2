// Package plugin is the shell of the executables that serve a layer: what every
// executable has, and the layer that it was called for.
package plugin

import (
	"context"
	"os"

	"github.com/spf13/cobra"

	"github.com/railiance/railiance/tools/internal/layer"
	"github.com/railiance/railiance/tools/internal/metrics"
	"github.com/railiance/railiance/tools/internal/shell"
)

// Shell is what a verb gets from its surroundings.
type Shell struct {
	*shell.Shell
	// Copies tells the metrics of a layer of guests what lies in its sites.
	Copies func(context.Context) []metrics.Copy

	layerDir string
}

// Usage is an error in how the program was called or set up: nothing was tried.
type Usage = shell.Usage

// ErrTold says that it failed and that the story has told why already.
var ErrTold = shell.ErrTold

// Main runs the program and returns its exit status.
func Main(program string, verbs func(*Shell) *cobra.Command) int {
	return shell.Main(program, func(base *shell.Shell) *cobra.Command {
		sh := &Shell{Shell: base}
		root := verbs(sh)
		root.PersistentFlags().StringVar(&sh.layerDir, "layer", ".", "folder of the layer.yaml")
		return root
	})
}

// Layer loads the layer that the program was called for.
func (sh *Shell) Layer() (*layer.Layer, error) {
	l, err := layer.Load(sh.layerDir, layer.Places{
		BackupRoot: os.Getenv("BACKUP_ROOT"),
		StateRoot:  os.Getenv("RAILIANCE_STATE"),
		Home:       Home(),
	})
	if err != nil {
		return nil, &Usage{Err: err}
	}
	sh.Tell.Layer = l.Name
	return l, nil
}

// Home is the user's home folder, also where HOME is not set.
func Home() string { return shell.Home() }
