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
	"github.com/railiance/railiance/tools/internal/tell"
)

// places are the folders that a restore works in.
type places struct {
	k3s    asset.K3s
	server string // <data-dir>/server
	db     string // <data-dir>/server/db
	// root is where plaintext and the safety copy go: on the file system of
	// the datastore, so that it is renamed and not copied.
	root string
}

const (
	workName     = "railiance-restore"
	beforePrefix = "railiance-before-"
	journalName  = "railiance-restore.json"
)

func findPlaces(k asset.K3s) (places, error) {
	p := places{k3s: k, server: filepath.Join(k.DataDir, "server")}
	p.db, p.root = filepath.Join(p.server, "db"), p.server
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

func (p places) journal() string { return filepath.Join(p.server, journalName) }

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

// drafts are files whose writer was killed before it could name them.
var drafts = regexp.MustCompile(`^\.draft-[0-9]+$`)

// wipe removes the plaintext, whatever came of the restore, and what killed
// runs left of it.
func (p places) wipe() error {
	if err := os.RemoveAll(p.work()); err != nil {
		return tell.Hint(fmt.Errorf("remove the decrypted set: %w", err), "it is plaintext: remove %s by hand", p.work())
	}
	for _, dir := range []string{p.server, filepath.Dir(p.k3s.Config), p.k3s.Config + ".d"} {
		entries, err := os.ReadDir(dir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		for _, e := range entries {
			if e.Type().IsRegular() && drafts.MatchString(e.Name()) {
				if err := os.Remove(filepath.Join(dir, e.Name())); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// Sweep removes the plaintext that a killed restore left. The caller holds the
// lock.
func Sweep(k asset.K3s) error {
	p, err := findPlaces(k)
	if err != nil {
		return err
	}
	return p.wipe()
}

// Leftover is where a restore that was killed has left plaintext, or empty.
func Leftover(k asset.K3s) string {
	if p, err := findPlaces(k); err == nil && exists(p.work()) {
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
