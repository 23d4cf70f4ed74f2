package pvecli

import (
	"context"
	"errors"
	"path/filepath"
	"time"

	"github.com/railiance/railiance/tools/internal/layer"
	"github.com/railiance/railiance/tools/internal/plugin"
	"github.com/railiance/railiance/tools/internal/records"
	"github.com/railiance/railiance/tools/internal/tell"
)

// Where a layer of guests keeps its accounts and views, below its own folder.
func backupsDir(l *layer.Layer) string { return filepath.Join(l.Dir, "backups") }

// account is what a verb changed, for the changelogs.
type account struct {
	summary, details string
	affected         []string // guests, nodes, files
}

// record appends to the changelog of programs and to that of people. It does so
// also for a run that was stopped; a changelog that is damaged is told, left as
// it is, and fails the verb, whose deed stands.
func record(ctx context.Context, sh *plugin.Shell, l *layer.Layer, a account) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	now := sh.Now().UTC()
	entry, err := records.Append(ctx, filepath.Join(l.Dir, l.Name+"-changelog.json"), records.Entry{
		Timestamp: now, Project: "backups", Summary: a.summary, Details: a.details, AffectedResources: a.affected,
	})
	line := now.Format("2006-01-02 15:04") + " " + a.summary
	if err == nil {
		line += " (" + entry.ID + ")"
	}
	err = errors.Join(err, records.AppendLine(ctx, filepath.Join(l.Dir, "CHANGELOG.md"), now.Format("2006-01"), line))
	return tell.Hint(err, "what was done is done, and is not in the changelogs")
}
