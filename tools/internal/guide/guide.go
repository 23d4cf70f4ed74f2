// Package guide writes down how a set is restored: the RESTORE.md that lies
// beside the sets, for somebody who has nothing else, and the guide that `make
// restore` prints for this machine.
//
// The one thing to know: both are made of the same commands, in commands.sh,
// which a test executes.
package guide

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/railiance/railiance/tools/internal/layer"
	"github.com/railiance/railiance/tools/internal/state"
)

// RestorePage is the name of the page in a layer's backup folder.
const RestorePage = "RESTORE.md"

// Facts are what the guide depends on.
type Facts struct {
	*layer.Layer
	Backups  string // folder of the sets: the layer's own, or another
	Set      string // the time of a set; empty: the shell looks for the newest
	FromFlag bool   // Backups is not the layer's own folder
	SQLite   bool
	Version  string // the k3s that made it
	Others   bool   // it knows further servers, perhaps
}

const (
	usualKey  = "$HOME/.config/sops/age/keys.txt"
	newestSet = `$(ls "$BACKUPS" | sed -n 's/^manifest-\(.*\)\.json\.sig$/\1/p' | sort | tail -n 1)`
)

// WriteRestorePage makes the page in the backup folder say what this version
// knows of restoring. A page that says it already is left alone.
func WriteRestorePage(dir string, l *layer.Layer) error {
	values := settings(l)
	// The page goes with every copy of the folder: it looks around itself.
	values["backups"], values["signers"], values["newest-set"] = "$PWD", "$HOME/allowed_signers", newestSet
	page, err := fill("restore.md", "", values)
	if err != nil {
		return fmt.Errorf("%s: %w", RestorePage, err)
	}
	path := filepath.Join(dir, RestorePage)
	if there, err := os.ReadFile(path); err == nil && bytes.Equal(there, page) {
		return nil
	}
	if err := state.ReplaceBytes(path, page, 0o600); err != nil {
		return fmt.Errorf("%s: %w", RestorePage, err)
	}
	return nil
}

// Machine writes the guide for this machine and one set.
func Machine(w io.Writer, f Facts) error {
	values := settings(f.Layer)
	values["backups"], values["signers"] = inQuotes(f.Backups), inQuotes(f.Signers)
	values["newest-set"] = newestSet
	values["dir"] = inQuotes(f.Dir)
	values["which"], values["from"] = "", ""
	if f.Set != "" {
		values["which"], values["newest-set"] = "the set of "+f.Set+" ", f.Set
	}
	if f.FromFlag {
		values["from"] = ` FROM="` + inQuotes(f.Backups) + `"`
	}
	values["k3s"] = "the k3s that made it"
	if f.Version != "" {
		values["k3s"] = f.Version
	}
	datastore := "etcd"
	if f.SQLite {
		datastore = "sqlite"
	}
	pages := []string{"machine.txt", "elsewhere.txt"}
	if f.Others {
		pages = []string{"machine.txt", "others.txt", "elsewhere.txt"}
	}
	for _, name := range pages {
		page, err := fill(name, datastore, values)
		if err != nil {
			return fmt.Errorf("guide: %w", err)
		}
		if _, err := w.Write(page); err != nil {
			return err
		}
	}
	return nil
}

// settings are the values that layer.yaml gives.
func settings(l *layer.Layer) map[string]string {
	return map[string]string{
		"layer":            l.Name,
		"key":              usualKey,
		"data-dir":         inQuotes(l.K3s.DataDir),
		"config":           inQuotes(l.K3s.Config),
		"registries":       inQuotes(l.K3s.Registries),
		"admin-kubeconfig": inQuotes(l.K3s.Kubeconfig),
		"service":          inQuotes(l.K3s.Service),
	}
}
