package restorecli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/railiance/railiance/tools/internal/access"
	"github.com/railiance/railiance/tools/internal/catalog"
	"github.com/railiance/railiance/tools/internal/plugin"
	"github.com/railiance/railiance/tools/internal/sign"
	"github.com/railiance/railiance/tools/internal/tell"
)

type planned struct {
	Format  int      `json:"format"`
	Asset   string   `json:"asset,omitempty"`
	Would   string   `json:"would,omitempty"`
	To      []string `json:"to,omitempty"` // recipients
	Trouble string   `json:"trouble,omitempty"`
}

// planTimeout bounds what a plan may ask of the cluster.
const planTimeout = time.Minute

func plan(sh *plugin.Shell) *cobra.Command {
	return &cobra.Command{
		Use:   "plan",
		Short: "What a backup would do, and whether it could, without doing it",
		RunE: func(cmd *cobra.Command, _ []string) error {
			l, err := sh.Layer()
			if err != nil {
				return err
			}
			var trouble error
			say := func(p planned, err error) error {
				if err != nil {
					trouble = errors.Join(trouble, err)
					p.Trouble = err.Error()
					sh.Tell.Fail(p.Asset, err)
				}
				return sh.Print(p, func(w io.Writer) {
					if p.Trouble == "" {
						fmt.Fprintln(w, p.Would)
					}
				})
			}
			signer, err := sign.Load(l.SignKey)
			p := planned{Format: 1}
			if err == nil {
				p.Would = fmt.Sprintf("sign with %s, %s; store in %s", l.SignKey, signer.Fingerprint(), l.Backups)
			}
			if err := say(p, err); err != nil {
				return err
			}
			if l.SOPS == "" {
				return tell.Hint(fmt.Errorf("no .sops.yaml from %s upward says who may read the backups", l.Dir), "make init makes a key and that file")
			}
			for _, a := range l.Assets {
				p := planned{Format: 1, Asset: a.Name}
				to, err := access.ForPath(l.SOPS, filepath.Join(l.Backups, catalog.ArtifactName(a.Name, sh.Now(), "x")))
				if err == nil {
					ctx, cancel := context.WithTimeout(cmd.Context(), planTimeout)
					p.To = to.Strings
					p.Would, err = a.Kind.Plan(ctx)
					cancel()
				}
				if err := say(p, err); err != nil {
					return err
				}
			}
			if trouble != nil {
				return tell.Hint(errors.New("a backup would not be complete"), "every line above names its cause")
			}
			return nil
		},
	}
}
