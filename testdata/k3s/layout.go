package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// layout is the server folder of a data folder, laid out as k3s does.
type layout string

func layoutOf(dataDir string) layout { return layout(filepath.Join(dataDir, "server")) }

func (l layout) path(rel string) string { return filepath.Join(string(l), filepath.FromSlash(rel)) }

func (l layout) etcdDir() string   { return l.path("db/etcd") }
func (l layout) resetFlag() string { return l.path("db/reset-flag") }

// etcdInitialized tells by the write-ahead log: an empty db/etcd, or one with
// only a config file, can be found on nodes that run on SQLite.
func (l layout) etcdInitialized() bool { return exists(l.path("db/etcd/member/wal")) }

func (l layout) create() error {
	for _, dir := range []string{"", "tls", "tls/etcd", "cred", "db", "db/etcd", "db/snapshots", "manifests"} {
		if err := os.MkdirAll(l.path(dir), 0o700); err != nil {
			return err
		}
	}
	return nil
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return !errors.Is(err, fs.ErrNotExist)
}
