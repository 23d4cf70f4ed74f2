package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/railiance/railiance/testdata/estate"
	"github.com/railiance/railiance/testdata/told"
)

// world is the folder with everything that a server and a clone of this
// repository would have.
type world struct {
	told.Stage
	layer   string // folder of layer.yaml
	backups string // folder of the sets
	server  estate.Server

	before, after estate.Inventory
}

// settle lays the folder out. Ports are chosen free, so that a k3s on the same
// machine is not in the way.
func settle(ctx context.Context, parts, bin, dir string) (*world, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	w := &world{Stage: told.Stage{Dir: dir}}
	w.layer, w.backups = w.Path("repository/layers/cluster"), w.Path("backups/cluster")
	for _, d := range []string{"bin", "etc", "units", "home", "scratch", "repository/layers/cluster"} {
		if err := os.MkdirAll(w.Path(d), 0o700); err != nil {
			return nil, err
		}
	}
	if err := w.Link(parts, "k3s", "systemctl", "helm3", "helm4"); err != nil {
		return nil, err
	}
	if err := w.Link(bin, "railiance-backup-s2", "railiance-restore-s2"); err != nil {
		return nil, err
	}
	api, etcd, err := freePorts()
	if err != nil {
		return nil, err
	}
	for name, text := range w.files(api) {
		if err := os.WriteFile(w.Path(name), []byte(text), 0o600); err != nil {
			return nil, err
		}
	}
	w.Env = []string{
		"HOME=" + w.Path("home"), "PATH=" + w.Path("bin") + ":" + os.Getenv("PATH"),
		"BACKUP_ROOT=" + w.Path("backups"), "RAILIANCE_STATE=" + w.Path("state"), "SYSTEMCTL_DIR=" + w.Path("units"),
		"K3S_CONFIG_FILE=" + w.Path("etc/config.yaml"), "K3S_KUBECONFIG_OUTPUT=" + w.Path("etc/k3s.yaml"),
		fmt.Sprintf("K3S_STANDIN_ETCD_PORT=%d", etcd), "XDG_CONFIG_HOME=", "SOPS_AGE_KEY=", "SOPS_AGE_KEY_FILE=", "SOPS_AGE_KEY_CMD=",
	}
	w.server = estate.Server{
		K3s: w.Path("bin/k3s"), Helm3: w.Path("bin/helm3"), Helm4: w.Path("bin/helm4"),
		Kubeconfig: w.Path("etc/k3s.yaml"), Scratch: w.Path("scratch"), Env: w.Env,
	}
	return w, w.Exec(ctx, nil, nil, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", w.Path("etc/ssh_host_ed25519_key"))
}

// end stops the server: whatever happens, nothing of ours goes on running.
func (w *world) end() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	return w.Exec(ctx, nil, nil, "systemctl", "stop", "k3s")
}

func (w *world) files(port int) map[string]string {
	return map[string]string{
		"etc/config.yaml": fmt.Sprintf("data-dir: %q\ncluster-init: true\nsecrets-encryption: true\nbind-address: 127.0.0.1\nnode-ip: 127.0.0.1\nhttps-listen-port: %d\n",
			w.Path("server"), port),
		"units/k3s.service": fmt.Sprintf("[Unit]\nDescription=k3s of the demo\n[Service]\nExecStart=\"%s\" server\n", w.Path("bin/k3s")),
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
`, w.Path("etc/ssh_host_ed25519_key"), w.Path("server"), w.Path("etc/config.yaml"), w.Path("etc/registries.yaml"), w.Path("etc/k3s.yaml"),
			w.Path("units/k3s.service"), w.Path("etc/k3s.yaml")),
	}
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
