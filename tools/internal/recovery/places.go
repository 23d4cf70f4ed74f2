package recovery

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"golang.org/x/sys/unix"

	"github.com/railiance/railiance/tools/internal/asset"
	"github.com/railiance/railiance/tools/internal/catalog"
	"github.com/railiance/railiance/tools/internal/layer"
	"github.com/railiance/railiance/tools/internal/tell"
)

// places are the folders that a restore works in.
type places struct {
	k3s    asset.K3s
	puts   []string // files that a restore writes, by way of drafts
	server string   // <data-dir>/server
	db     string   // <data-dir>/server/db
	// root is where plaintext and the safety copy go: on the file system of
	// the datastore, so that it is renamed and not copied.
	root string
}

const (
	workName     = "railiance-restore"
	beforePrefix = "railiance-before-"
)

func findPlaces(l *layer.Layer) (places, error) {
	k := l.K3s
	p := places{k3s: k, server: filepath.Join(k.DataDir, "server")}
	p.db, p.root = filepath.Join(p.server, "db"), p.server
	p.puts = append([]string{p.journal(), k.Token(), p.agentToken(), k.Config, k.Registries, k.NodePassword}, k.Units...)
	for _, a := range l.Assets {
		if kubeconfig, ok := a.Kind.(asset.Kubeconfig); ok {
			p.puts = append(p.puts, kubeconfig.Paths...)
		}
	}
	server, err := device(p.server)
	if errors.Is(err, fs.ErrNotExist) {
		return p, nil // a machine on which k3s has never run
	}
	if err != nil {
		return p, err
	}
	db, err := device(p.db)
	if errors.Is(err, fs.ErrNotExist) {
		return p, nil
	}
	if err != nil {
		return p, err
	}
	if db != server {
		p.root = p.db
	}
	if etcd, err := device(filepath.Join(p.db, "etcd")); err == nil && etcd != db {
		return p, tell.Hint(fmt.Errorf("%s/etcd is a file system of its own: k3s cannot put another in its place", p.db),
			"mount that disk at %s instead", p.db)
	}
	return p, nil
}

func device(path string) (uint64, error) {
	var s unix.Stat_t
	if err := unix.Stat(path, &s); err != nil {
		return 0, &fs.PathError{Op: "stat", Path: path, Err: err}
	}
	return uint64(s.Dev), nil
}

func (p places) work() string { return filepath.Join(p.root, workName) }

func (p places) journal() string { return p.k3s.Journal() }

// agentToken differs from the server token only where somebody chose one.
func (p places) agentToken() string { return filepath.Join(p.server, "agent-token") }

// freeBefore is a name for the safety copy that is not taken.
func (p places) freeBefore(now time.Time) string {
	for ; ; now = now.Add(time.Second) {
		path := filepath.Join(p.root, beforePrefix+now.UTC().Format(catalog.TimeLayout))
		if !exists(path) {
			return path
		}
	}
}

// wipe removes the plaintext, whatever came of the restore, and the drafts
// whose writers were killed before they could name them.
func (p places) wipe() error {
	if err := os.RemoveAll(p.work()); err != nil {
		return tell.Hint(fmt.Errorf("remove the decrypted set: %w", err), "it is plaintext: remove %s by hand", p.work())
	}
	for _, path := range p.puts {
		if err := sweepDrafts(filepath.Dir(path), regexp.QuoteMeta(filepath.Base(path))); err != nil {
			return err
		}
	}
	return sweepDrafts(p.k3s.Config+".d", ".+")
}

// sweepDrafts removes the drafts of the files in dir whose names match.
func sweepDrafts(dir, names string) error {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	draft := regexp.MustCompile(`^\.draft-(` + names + `-)?[0-9]+$`)
	for _, e := range entries {
		if !e.Type().IsRegular() || !draft.MatchString(e.Name()) {
			continue
		}
		if err := os.Remove(filepath.Join(dir, e.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// Sweep removes the plaintext that a killed restore left. The caller holds the
// lock.
func Sweep(l *layer.Layer) error {
	p, err := findPlaces(l)
	if err != nil {
		return err
	}
	return p.wipe()
}

// Leftover is where a restore that was killed has left plaintext, or empty.
func Leftover(l *layer.Layer) string {
	if p, err := findPlaces(l); err == nil && exists(p.work()) {
		return p.work()
	}
	return ""
}

// free is how many bytes there are for us on the file system of root.
func (p places) free() (int64, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(p.root, &s); err != nil {
		return 0, fmt.Errorf("free space of %s: %w", p.root, err)
	}
	return int64(s.Bavail) * s.Bsize, nil
}

// folder makes a folder with those above it. Our umask would close the ones
// that other users of k3s look into.
func folder(path string, mode fs.FileMode) error {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return nil
	}
	if err := folder(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if err := os.Mkdir(path, mode); err != nil {
		return err
	}
	return os.Chmod(path, mode)
}
