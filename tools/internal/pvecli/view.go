package pvecli

import (
	"context"
	"os"
	"path/filepath"
	"time"

	"github.com/railiance/railiance/tools/internal/state"
)

// writeView writes backups/backups.json: all backups there are, for programs and
// people that cannot ask the sites. It is made of the signed manifests each time
// and read by nothing of ours: the truth is in the sites.
func (e *estate) writeView(ctx context.Context) error {
	view := struct {
		Format  int       `json:"format"`
		Made    time.Time `json:"made"`
		Layer   string    `json:"layer"`
		Sites   []string  `json:"sites"`        // those that were asked
		Missing int       `json:"missingSites"` // those that could not be
		Backups []listed  `json:"backups"`
	}{Format: 1, Made: e.Now().UTC(), Layer: e.layer.Name, Backups: []listed{}}
	before := e.broken
	folders, err := e.folders(ctx, nil)
	if err != nil {
		return err
	}
	view.Missing = e.broken - before + len(e.shut)
	for _, p := range e.places {
		view.Sites = append(view.Sites, p.name)
	}
	for _, f := range folders {
		for _, s := range f.backups() {
			view.Backups = append(view.Backups, f.listed(s, e.Now()))
		}
	}
	dir := backupsDir(e.layer)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return state.Replace(filepath.Join(dir, "backups.json"), view)
}
