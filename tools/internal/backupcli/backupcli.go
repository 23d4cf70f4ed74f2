// Package backupcli is the command line of the executables that back a layer
// up. It links no code that decrypts.
package backupcli

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/railiance/railiance/tools/internal/backup"
	"github.com/railiance/railiance/tools/internal/catalog"
	"github.com/railiance/railiance/tools/internal/layer"
	"github.com/railiance/railiance/tools/internal/plugin"
	"github.com/railiance/railiance/tools/internal/tell"
)

// Command makes one set of the layer.
func Command(sh *plugin.Shell) *cobra.Command {
	var acknowledge bool
	verb := &cobra.Command{
		Short: "Back a layer up: one complete set of its assets, verified, encrypted, signed",
		Long: `Catches every asset of the layer, checks it while it is written, encrypts it to
the recipients of .sops.yaml, stores it, signs the manifest of the set, and then
prunes by the layer's retention. Needs no private key and no network.

With --acknowledge the set also notes that you know why sets are gone that nobody
had pruned, as when a disk was replaced: verify and drills fail for them until
then. It does so for what an earlier backup has told of, and not for what vanished
since.

Exit status: 0 the set is complete; 1 something failed (the other assets were
still backed up); 2 usage or configuration; 3 another run holds the lock.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			l, err := sh.Layer()
			if err != nil {
				return err
			}
			return sh.Deed(cmd.Context(), l, plugin.Backup, func(ctx context.Context) error {
				return do(ctx, sh, l, acknowledge)
			})
		},
	}
	verb.Flags().BoolVar(&acknowledge, "acknowledge", false, "tell no more of lost sets that were told of before")
	return verb
}

func do(ctx context.Context, sh *plugin.Shell, l *layer.Layer, acknowledge bool) error {
	run := &backup.Run{Layer: l, Tool: sh.Tool(), Now: sh.Now, Tell: sh.Tell, Acknowledge: acknowledge}
	result, err := run.Do(ctx)
	if result.Set != nil {
		if err := show(sh, result); err != nil {
			return err
		}
	}
	var config *backup.Config
	switch {
	case errors.As(err, &config):
		return &plugin.Usage{Err: err}
	case errors.Is(err, backup.ErrFailed) && result.Set != nil:
		return plugin.ErrTold
	}
	return err
}

type asset struct {
	Format   int    `json:"format"`
	Asset    string `json:"asset"`
	Artifact string `json:"artifact,omitempty"`
	Size     int64  `json:"size,omitempty"`
	Failure  string `json:"failure,omitempty"`
	Manifest string `json:"manifest"`
}

func show(sh *plugin.Shell, result backup.Result) error {
	m := result.Set
	for _, a := range m.Artifacts {
		line := asset{1, a.Asset, a.Name, a.Size, failure(m, a.Asset), m.Name()}
		err := sh.Print(line, func(w io.Writer) {
			verdict := "ok"
			if line.Failure != "" {
				verdict = "not whole"
			}
			fmt.Fprintf(w, "%-12s %10s  %-9s %s\n", a.Asset, tell.Bytes(a.Size), verdict, a.Name)
		})
		if err != nil {
			return err
		}
	}
	for _, f := range m.Failures {
		if _, there := m.Artifact(f.Asset); there {
			continue
		}
		err := sh.Print(asset{1, f.Asset, "", 0, f.What, m.Name()}, func(w io.Writer) {
			fmt.Fprintf(w, "%-12s %10s  %-9s %s\n", f.Asset, "-", "FAILED", f.What)
		})
		if err != nil {
			return err
		}
	}
	if sh.JSON {
		return nil
	}
	whole := "complete"
	if !m.Complete() {
		whole = "NOT COMPLETE"
	}
	_, err := fmt.Fprintf(sh.Stdout, "set %s, number %d, %s\n", m.Time.Format(catalog.TimeLayout), m.Sequence, whole)
	return err
}

func failure(m *catalog.Manifest, asset string) string {
	for _, f := range m.Failures {
		if f.Asset == asset {
			return f.What
		}
	}
	return ""
}
