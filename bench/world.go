package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// world is a folder with what a server would have: programs, a key, a layer.
type world struct {
	dir       string
	programs  string // folder of what run.sh built
	recipient string // age's, for both sides
	env       []string
}

func (w *world) path(rel string) string { return filepath.Join(w.dir, rel) }

// newWorld makes the world in dir. k3s is the program that PATH will find.
func newWorld(ctx context.Context, dir, programs, k3s string) (*world, error) {
	w := &world{dir: dir, programs: programs}
	for _, d := range []string{"bin", "etc", "home", "layers/cluster", "old"} {
		if err := os.MkdirAll(w.path(d), 0o700); err != nil {
			return nil, err
		}
	}
	if err := os.Symlink(k3s, w.path("bin/k3s")); err != nil {
		return nil, err
	}
	w.env = []string{
		"PATH=" + w.path("bin") + ":" + programs + ":" + os.Getenv("PATH"), "HOME=" + w.path("home"),
		"BACKUP_ROOT=" + w.path("backups"), "RAILIANCE_STATE=" + w.path("state"), "KUBECONFIG=" + w.path("etc/k3s.yaml"),
		"XDG_CONFIG_HOME=", "SOPS_AGE_KEY=", "SOPS_AGE_KEY_FILE=", "SOPS_AGE_KEY_CMD=",
	}
	if err := w.run(ctx, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", w.path("etc/ssh_key")); err != nil {
		return nil, err
	}
	if err := w.owns("{name: datastore, kind: k3s-datastore}"); err != nil {
		return nil, err
	}
	restore := filepath.Join(programs, "railiance-restore-s2")
	for _, verb := range [][]string{{"init"}, {"trust", "--yes"}} {
		if err := w.run(ctx, restore, append([]string{"--layer", w.path("layers/cluster")}, verb...)...); err != nil {
			return nil, err
		}
	}
	rules, err := os.ReadFile(w.path(".sops.yaml"))
	if err != nil {
		return nil, err
	}
	_, after, found := strings.Cut(string(rules), "age: ")
	if !found {
		return nil, errors.New(".sops.yaml names no recipient")
	}
	w.recipient = strings.TrimSpace(after)
	return w, nil
}

// owns makes asset all that the layer owns.
func (w *world) owns(asset string) error {
	text := fmt.Sprintf(`format: 1
layer: cluster
sign: %q
k3s: {data-dir: %q, config: %q, registries: %q, kubeconfig: %q, units: []}
assets: [%s]
`, w.path("etc/ssh_key"), w.path("server"), w.path("etc/config.yaml"), w.path("etc/registries.yaml"), w.path("etc/k3s.yaml"), asset)
	return os.WriteFile(w.path("layers/cluster/layer.yaml"), []byte(text), 0o600)
}

// run runs a program of the preparation, which is not measured.
func (w *world) run(ctx context.Context, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), w.env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", filepath.Base(name), err, strings.TrimSpace(string(out)))
	}
	return nil
}

// ours is one run of the backup, into an empty folder.
func (w *world) ours(least int64) command {
	return command{
		name: "railiance-backup-s2",
		args: []string{filepath.Join(w.programs, "railiance-backup-s2"), "--layer", w.path("layers/cluster")},
		env:  w.env,
		reset: func() error {
			return errors.Join(os.RemoveAll(w.path("backups")), os.RemoveAll(w.path("state")))
		},
		check: func() error { return oneOf(w.path("backups/cluster/*.age"), least) },
	}
}

// shell is a script of the kind that the backup replaces. What it writes is
// the file old/out.age.
func (w *world) shell(name, script string, least int64) command {
	return command{
		name: name,
		args: []string{"/bin/sh", "-euc", script},
		env:  append(w.env, "R="+w.recipient, "OUT="+w.path("old/out.age"), "DATA="+w.path("server"), "SNAPSHOT="+w.path("snapshot"), "OLD="+w.path("old")),
		reset: func() error {
			return errors.Join(os.RemoveAll(w.path("old")), os.Mkdir(w.path("old"), 0o700))
		},
		check: func() error { return oneOf(w.path("old/out.age"), least) },
	}
}

// oneOf wants exactly one file, of least bytes: a command that failed quietly
// would be the fastest.
func oneOf(pattern string, least int64) error {
	files, err := filepath.Glob(pattern)
	if err != nil {
		return err
	}
	if len(files) != 1 {
		return fmt.Errorf("it left %d files %s, want one", len(files), pattern)
	}
	info, err := os.Stat(files[0])
	if err != nil {
		return err
	}
	if info.Size() < least {
		return fmt.Errorf("it wrote %d bytes, %d are the least", info.Size(), least)
	}
	return nil
}
