package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"github.com/railiance/railiance/testdata/told"
)

var saboteurs = map[string]told.Saboteur[*world]{
	"backup": {Before: "backup", What: "the server is stopped", Do: func(ctx context.Context, w *world) error {
		return w.Exec(ctx, nil, nil, "systemctl", "stop", "k3s")
	}},
	"verify": {Before: "verify", What: "one bit of an artifact flips", Do: func(_ context.Context, w *world) error {
		return flip(w, "helm-values-*.age")
	}},
	"forge": {Before: "verify", What: "one bit of the manifest flips", Do: func(_ context.Context, w *world) error {
		return flip(w, "manifest-*.json")
	}},
	"drill": {Before: "drill", What: "the private key is another one", Do: func(ctx context.Context, w *world) error {
		if err := os.Remove(w.keys()); err != nil {
			return err
		}
		// A key file of the right form that opens nothing of ours.
		return w.Exec(ctx, nil, nil, "age-keygen", "-o", w.keys())
	}},
	"restore": {Before: "restore", What: "the newest datastore artifact is torn", Do: func(_ context.Context, w *world) error {
		path, err := w.artifact("etcd-*.age")
		if err != nil {
			return err
		}
		return rewrite(path, func(b []byte) []byte { return b[:len(b)/2] })
	}},
	"compare": {Before: "compare", What: "an object is deleted", Do: func(ctx context.Context, w *world) error {
		_, err := w.server.Kubectl(ctx, "", "-n", "apps", "delete", "boat", "dhow")
		return err
	}},
	"releases": {Before: "compare", What: "a release's record is deleted", Do: func(ctx context.Context, w *world) error {
		_, err := w.server.Kubectl(ctx, "", "-n", "apps", "delete", "secret", "sh.helm.release.v1.four.v1")
		return err
	}},
	"values": {Before: "compare", What: "an object has another value", Do: func(ctx context.Context, w *world) error {
		_, err := w.server.Kubectl(ctx, "", "-n", "apps", "patch", "configmap", "settings", "--type=merge", "-p", `{"data":{"empty":" "}}`)
		return err
	}},
}

func (w *world) keys() string { return w.Path("home/.config/sops/age/keys.txt") }

func (w *world) artifact(pattern string) (string, error) {
	found, err := filepath.Glob(filepath.Join(w.backups, pattern))
	if err != nil {
		return "", err
	}
	if len(found) != 1 {
		return "", errors.New(pattern + ": not exactly one")
	}
	return found[0], nil
}

func flip(w *world, pattern string) error {
	path, err := w.artifact(pattern)
	if err != nil {
		return err
	}
	return rewrite(path, func(b []byte) []byte {
		b[len(b)/2] ^= 1
		return b
	})
}

// rewrite changes a file that nobody is meant to change.
func rewrite(path string, change func([]byte) []byte) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return err
	}
	return os.WriteFile(path, change(b), 0o600)
}
