package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
)

// saboteur breaks something just before a step, which must then notice.
type saboteur struct {
	before string
	what   string
	do     func(context.Context, *world) error
}

var saboteurs = map[string]saboteur{
	"": {},
	"backup": {"backup", "the server is stopped", func(ctx context.Context, w *world) error {
		return w.Exec(ctx, nil, nil, "systemctl", "stop", "k3s")
	}},
	"verify": {"verify", "one bit of an artifact flips", func(_ context.Context, w *world) error {
		return flip(w, "helm-values-*.age")
	}},
	"forge": {"verify", "one bit of the manifest flips", func(_ context.Context, w *world) error {
		return flip(w, "manifest-*.json")
	}},
	"drill": {"drill", "the private key is another one", func(ctx context.Context, w *world) error {
		if err := os.Remove(w.keys()); err != nil {
			return err
		}
		// A key file of the right form that opens nothing of ours.
		return w.Exec(ctx, nil, nil, "age-keygen", "-o", w.keys())
	}},
	"restore": {"restore", "the newest datastore artifact is torn", func(_ context.Context, w *world) error {
		path, err := w.artifact("etcd-*.age")
		if err != nil {
			return err
		}
		return rewrite(path, func(b []byte) []byte { return b[:len(b)/2] })
	}},
	"compare": {"compare", "an object is deleted", func(ctx context.Context, w *world) error {
		_, err := w.server.Kubectl(ctx, "", "-n", "apps", "delete", "boat", "dhow")
		return err
	}},
	"releases": {"compare", "a release's record is deleted", func(ctx context.Context, w *world) error {
		_, err := w.server.Kubectl(ctx, "", "-n", "apps", "delete", "secret", "sh.helm.release.v1.four.v1")
		return err
	}},
	"values": {"compare", "an object has another value", func(ctx context.Context, w *world) error {
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
