package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/railiance/railiance/testdata/estate"
)

// world is the folder with everything that a server and a clone of this
// repository would have.
type world struct {
	dir     string
	layer   string // folder of layer.yaml
	backups string // folder of the sets
	env     []string
	server  estate.Server

	before, after estate.Inventory
}

func (w *world) path(rel string) string { return filepath.Join(w.dir, rel) }

// settle lays the folder out. Ports are chosen free, so that a k3s on the same
// machine is not in the way.
func settle(parts, bin, dir string) (*world, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	w := &world{dir: dir}
	w.layer, w.backups = w.path("repository/layers/cluster"), w.path("backups/cluster")
	for _, d := range []string{"bin", "etc", "units", "home", "scratch", "repository/layers/cluster"} {
		if err := os.MkdirAll(w.path(d), 0o700); err != nil {
			return nil, err
		}
	}
	if err := w.link(parts, "k3s", "systemctl", "helm3", "helm4"); err != nil {
		return nil, err
	}
	if err := w.link(bin, "railiance-backup-s2", "railiance-restore-s2"); err != nil {
		return nil, err
	}
	api, etcd, err := freePorts()
	if err != nil {
		return nil, err
	}
	for name, text := range w.files(api) {
		if err := os.WriteFile(w.path(name), []byte(text), 0o600); err != nil {
			return nil, err
		}
	}
	w.env = []string{
		"HOME=" + w.path("home"), "PATH=" + w.path("bin") + ":" + os.Getenv("PATH"),
		"BACKUP_ROOT=" + w.path("backups"), "RAILIANCE_STATE=" + w.path("state"), "SYSTEMCTL_DIR=" + w.path("units"),
		"K3S_CONFIG_FILE=" + w.path("etc/config.yaml"), "K3S_KUBECONFIG_OUTPUT=" + w.path("etc/k3s.yaml"),
		fmt.Sprintf("K3S_STANDIN_ETCD_PORT=%d", etcd), "XDG_CONFIG_HOME=", "SOPS_AGE_KEY=", "SOPS_AGE_KEY_FILE=", "SOPS_AGE_KEY_CMD=",
	}
	w.server = estate.Server{
		K3s: w.path("bin/k3s"), Helm3: w.path("bin/helm3"), Helm4: w.path("bin/helm4"),
		Kubeconfig: w.path("etc/k3s.yaml"), Scratch: w.path("scratch"), Env: w.env,
	}
	return w, w.exec(context.Background(), nil, nil, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", w.path("etc/ssh_host_ed25519_key"))
}

func (w *world) files(port int) map[string]string {
	return map[string]string{
		"etc/config.yaml": fmt.Sprintf("data-dir: %q\ncluster-init: true\nsecrets-encryption: true\nbind-address: 127.0.0.1\nnode-ip: 127.0.0.1\nhttps-listen-port: %d\n",
			w.path("server"), port),
		"units/k3s.service": fmt.Sprintf("[Unit]\nDescription=k3s of the demo\n[Service]\nExecStart=\"%s\" server\n", w.path("bin/k3s")),
		"repository/layers/cluster/layer.yaml": fmt.Sprintf(`format: 1
layer: cluster
timeout: 5m
sign: %q
k3s:
  data-dir: %q
  config: %q
  registries: %q
  kubeconfig: %q
  units: [%q]
assets:
  - {name: k3s-server, kind: k3s-server}
  - {name: datastore, kind: k3s-datastore}
  - {name: helm-values, kind: helm-values}
  - {name: kubeconfig, kind: kubeconfig, paths: [%q]}
`, w.path("etc/ssh_host_ed25519_key"), w.path("server"), w.path("etc/config.yaml"), w.path("etc/registries.yaml"), w.path("etc/k3s.yaml"),
			w.path("units/k3s.service"), w.path("etc/k3s.yaml")),
	}
}

func (w *world) link(from string, names ...string) error {
	for _, name := range names {
		path, err := filepath.Abs(filepath.Join(from, name))
		if err != nil {
			return err
		}
		if _, err := os.Stat(path); err != nil {
			return err
		}
		if err := os.Symlink(path, w.path("bin/"+name)); err != nil {
			return fmt.Errorf("the folder is in use: %w", err)
		}
	}
	return nil
}

// tool runs a program as a person would, who sees the command and what it says.
func (w *world) tool(ctx context.Context, args ...string) error {
	fmt.Printf("   $ %s\n", strings.ReplaceAll(strings.Join(args, " "), w.dir, "."))
	out := &indent{w: os.Stdout}
	return w.exec(ctx, out, out, args...)
}

func (w *world) exec(ctx context.Context, stdout, stderr io.Writer, args ...string) error {
	path := args[0]
	if _, err := os.Stat(w.path("bin/" + path)); err == nil {
		path = w.path("bin/" + path)
	}
	cmd := exec.CommandContext(ctx, path, args[1:]...)
	cmd.Args[0] = args[0]
	cmd.Dir = w.dir
	cmd.Env = append(os.Environ(), w.env...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 30 * time.Second
	var said bytes.Buffer
	if stderr == nil {
		stderr = &said
	}
	cmd.Stdout, cmd.Stderr = stdout, stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w %s", args[0], err, strings.TrimSpace(said.String()))
	}
	return nil
}

// indent sets what programs say apart from what the demo tells.
type indent struct {
	w      io.Writer
	inside bool
}

func (i *indent) Write(p []byte) (int, error) {
	for line := range bytes.Lines(p) {
		if !i.inside {
			fmt.Fprint(i.w, "   | ")
		}
		i.inside = line[len(line)-1] != '\n'
		if _, err := i.w.Write(line); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}

// freePorts finds one port for the API and two neighbours for etcd.
func freePorts() (api, etcd int, err error) {
	for range 100 {
		var held []net.Listener
		listen := func(port int) (int, error) {
			l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
			if err != nil {
				return 0, err
			}
			held = append(held, l)
			return l.Addr().(*net.TCPAddr).Port, nil
		}
		if api, err = listen(0); err == nil {
			if etcd, err = listen(0); err == nil {
				_, err = listen(etcd + 1)
			}
		}
		for _, l := range held {
			l.Close()
		}
		if err == nil {
			return api, etcd, nil
		}
	}
	return 0, 0, fmt.Errorf("no free ports: %w", err)
}
