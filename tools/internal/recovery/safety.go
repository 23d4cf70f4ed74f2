package recovery

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
)

// The safety copy: what the restore replaces, as it was.
//
//	railiance-before-<ts>/
//	    files/       copies of token, certificates, manifests, configuration
//	    db/          the datastore, renamed: nobody has to find room for two
//	    stray-<n>/   a datastore that came up between two runs, never deleted
//	    railiance-restore.json   the journal, once the restore ended

// item is a file or a folder that a restore replaces.
type item struct {
	name string // in the safety copy
	path string
}

// smallItems are copied; what is missing in the copy was not there.
func (r *Restore) smallItems() []item {
	k := r.Layer.K3s
	in := func(name string) string { return filepath.Join(r.places.server, name) }
	items := []item{
		{"token", k.Token()}, {"agent-token", r.places.agentToken()},
		{"tls", in("tls")}, {"cred", in("cred")}, {"manifests", in("manifests")},
	}
	if !r.KeepConfig {
		items = append(items, item{"config.yaml", k.Config}, item{"config.yaml.d", k.Config + ".d"}, item{"registries.yaml", k.Registries})
	}
	return items
}

// datastoreItems are renamed. Snapshots that lie beside them stay.
func datastoreItems() []string {
	return []string{"etcd", "state.db", "state.db-wal", "state.db-shm", "state.db-journal", "reset-flag"}
}

func (r *Restore) kept(parts ...string) string {
	return filepath.Join(append([]string{r.journal.Before}, parts...)...)
}

// save makes the safety copy. The server is stopped: a copy of a running
// datastore is none.
func (r *Restore) save(ctx context.Context) error {
	if err := r.saveFiles(ctx); err != nil {
		return err
	}
	return r.saveDatastore()
}

func (r *Restore) saveFiles(ctx context.Context) error {
	if exists(r.kept("files")) {
		return nil // whole, since it got its name; what is there now may be ours
	}
	draft := r.kept("files.part")
	if err := os.RemoveAll(draft); err != nil {
		return err
	}
	if err := os.Mkdir(draft, 0o700); err != nil {
		return err
	}
	for _, it := range r.smallItems() {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if !exists(it.path) {
			continue
		}
		if err := copyTree(it.path, filepath.Join(draft, it.name)); err != nil {
			return full(fmt.Errorf("keep %s: %w", it.path, err))
		}
	}
	return rename(draft, r.kept("files"))
}

// saveDatastore takes the datastore away. The first time it is that of this
// server; what is found there on a later run, such as an empty cluster that a
// reboot brought up, is a stray.
func (r *Restore) saveDatastore() error {
	if r.journal.Moved == nil {
		r.journal.Moved = []string{}
		for _, name := range datastoreItems() {
			if exists(filepath.Join(r.places.db, name)) {
				r.journal.Moved = append(r.journal.Moved, name)
			}
		}
		if err := r.write(); err != nil {
			return err
		}
	}
	if err := folder(r.kept("db"), 0o700); err != nil {
		return err
	}
	stray := ""
	for _, name := range datastoreItems() {
		here, to := filepath.Join(r.places.db, name), r.kept("db", name)
		if !exists(here) {
			continue
		}
		if !slices.Contains(r.journal.Moved, name) || exists(to) {
			if stray == "" {
				stray = r.freeStray()
				if err := folder(stray, 0o700); err != nil {
					return err
				}
			}
			to = filepath.Join(stray, name)
		}
		if err := rename(here, to); err != nil {
			return fmt.Errorf("keep %s: %w", here, err)
		}
	}
	return nil
}

func (r *Restore) freeStray() string {
	for n := 1; ; n++ {
		if path := r.kept("stray-" + strconv.Itoa(n)); !exists(path) {
			return path
		}
	}
}
