package restorecli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/railiance/railiance/tools/internal/access"
	"github.com/railiance/railiance/tools/internal/catalog"
	"github.com/railiance/railiance/tools/internal/layercli"
	"github.com/railiance/railiance/tools/internal/plugin"
	"github.com/railiance/railiance/tools/internal/store"
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
			signing, err := layercli.Signing(sh, l)
			if err := say(planned{Format: 1, Would: signing}, err); err != nil {
				return err
			}
			free, err := room(l.Backups)
			if err := say(planned{Format: 1, Would: fmt.Sprintf("store in %s, where %s are free", l.Backups, tell.Bytes(free))}, err); err != nil {
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

// room is how many bytes the folder of the backups could still take, or the
// folder that it would be made in, and why nothing could be written there.
func room(path string) (int64, error) {
	dir, err := store.OpenDir(path)
	for errors.Is(err, fs.ErrNotExist) && path != filepath.Dir(path) {
		path = filepath.Dir(path)
		dir, err = store.OpenDir(path)
	}
	if err != nil {
		return 0, err
	}
	if err := unix.Access(path, unix.W_OK); err != nil {
		return 0, tell.Hint(fmt.Errorf("%s: %w", path, err), "see mount and df; BACKUP_ROOT names another folder")
	}
	return dir.Free()
}
