package pvecli

import (
	"context"
	"os"
	"path/filepath"
	"time"

	"github.com/railiance/railiance/tools/internal/catalog"
	"github.com/railiance/railiance/tools/internal/metrics"
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
	folders, err := e.afterwards(ctx)
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

// copies are the newest complete sets, for the metrics.
func (e *estate) copies(ctx context.Context) []metrics.Copy {
	folders, err := e.afterwards(ctx)
	if err != nil {
		e.Tell.Warn("", "metrics: %v", err)
	}
	var all []metrics.Copy
	for _, f := range folders {
		s, ok := catalog.NewestComplete(f.backups())
		if !ok {
			continue
		}
		if a, there := s.Artifact(f.subject.String()); there {
			all = append(all, metrics.Copy{Asset: a.Asset, Site: f.place.name, Time: s.Time, Size: a.Size, Seconds: a.Seconds})
		}
	}
	return all
}

// afterwards is what the sites hold when the deed is done, asked once.
func (e *estate) afterwards(ctx context.Context) ([]folder, error) {
	var err error
	if e.after == nil {
		if e.after, err = e.folders(ctx, nil); err == nil && e.after == nil {
			e.after = []folder{} // asked, and told of
		}
	}
	return e.after, err
}
