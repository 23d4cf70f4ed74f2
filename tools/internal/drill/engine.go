package drill

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/railiance/railiance/tools/internal/asset"
	"github.com/railiance/railiance/tools/internal/host"
	"github.com/railiance/railiance/tools/internal/host/sandbox"
	"github.com/railiance/railiance/tools/internal/tell"
)

const (
	restoreLimit = 20 * time.Minute // of a cluster reset
	callLimit    = time.Minute      // of one call of the API
	probeLimit   = 10 * time.Second
	probePause   = 300 * time.Millisecond
)

// serverURL is where the API is inside.
const serverURL = "https://127.0.0.1:6443"

// engine is k3s on a scratch data directory.
type engine struct {
	kind   string
	server *server
	ready  time.Duration
	dir    string // scratch
}

func newEngine(req *request) *engine {
	return &engine{kind: req.Kind, server: req.Server, ready: req.Ready, dir: sandbox.Dir}
}

func (e *engine) path(parts ...string) string {
	return filepath.Join(append([]string{e.dir}, parts...)...)
}

func (e *engine) kubeconfig() string { return e.path("admin.yaml") }

// env is all of the environment of what runs inside. k3s looks for the folder
// of its unpacked programs in the data directory, for kubectl too.
func (e *engine) env() []string {
	return []string{
		"PATH=" + os.Getenv("PATH"),
		"HOME=" + e.path("home"), "TMPDIR=" + e.path("tmp"),
		"K3S_CONFIG_FILE=" + e.path("config.yaml"), "K3S_DATA_DIR=" + e.path("data"),
		"KUBECONFIG=" + e.kubeconfig(),
	}
}

// settings make a server that stands still: without agent, scheduler and
// controllers nothing in the datastore moves but what the API server itself
// does. They go into a file, because k3s passes by what it does not know there
// and refuses it in its command line: older and newer versions differ.
func (e *engine) settings() map[string]any {
	addresses := []string{}
	ipv4, ipv6 := e.server.families()
	if ipv4 {
		addresses = append(addresses, sandbox.Address)
	}
	if ipv6 {
		addresses = append(addresses, sandbox.Address6)
	}
	s := map[string]any{
		"data-dir": e.path("data"), "token-file": e.path("token"),
		"node-name": "drill", "node-ip": strings.Join(addresses, ","), "advertise-address": addresses[0],
		"write-kubeconfig": e.kubeconfig(), "write-kubeconfig-mode": "600",
		"disable-agent": true, "disable-scheduler": true, "disable-controller-manager": true,
		"disable-cloud-controller": true, "disable-helm-controller": true,
		"disable-network-policy": true, "disable-kube-proxy": true, "flannel-backend": "none",
		"etcd-disable-snapshots": true, "etcd-s3": false,
		"secrets-encryption": e.server.Encryption,
	}
	if e.server.ServiceCIDR != "" {
		s["service-cidr"] = e.server.ServiceCIDR
	}
	if e.server.ClusterCIDR != "" {
		s["cluster-cidr"] = e.server.ClusterCIDR
	}
	return s
}

// packaged are k3s's own addons. A .skip file keeps it from installing them
// again; --disable would delete them from the datastore.
var packaged = []string{
	"ccm.yaml", "coredns.yaml", "local-storage.yaml", "metrics-server", "rolebindings.yaml", "runtimes.yaml", "traefik.yaml",
}

func (e *engine) layOut() error {
	for _, dir := range []string{"home", "tmp", "data/server/manifests", "data/server/db"} {
		if err := os.MkdirAll(e.path(dir), 0o700); err != nil {
			return err
		}
	}
	config, err := json.MarshalIndent(e.settings(), "", " ") // which is YAML too
	if err != nil {
		return err
	}
	files := map[string][]byte{"token": e.server.Token, "config.yaml": config}
	for name, content := range e.server.Files {
		files[filepath.Join("data/server", name)] = content
	}
	for _, name := range packaged {
		files["data/server/manifests/"+name+".skip"] = nil
	}
	for name, content := range files {
		if !filepath.IsLocal(name) {
			return fmt.Errorf("%q leads out of the folder", name)
		}
		if err := os.MkdirAll(filepath.Dir(e.path(name)), 0o700); err != nil {
			return err
		}
		if err := os.WriteFile(e.path(name), content, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// restore puts the datastore in place as a real restore would.
func (e *engine) restore(ctx context.Context) error {
	if err := e.layOut(); err != nil {
		return err
	}
	if e.kind == asset.KindStateDB {
		return copyTo(e.path("data/server/db/state.db"), os.NewFile(fdDatastore, "datastore"))
	}
	ctx, cancel := context.WithTimeout(ctx, restoreLimit)
	defer cancel()
	return host.Run(ctx, host.Command{
		Args: []string{"k3s", "server", "--config", e.path("config.yaml"), "--cluster-reset", "--etcd-s3=false",
			// Process 1 is this one: the snapshot need not be copied.
			fmt.Sprintf("--cluster-reset-restore-path=/proc/1/fd/%d", fdDatastore)},
		Env: e.env(), Bare: true, Dir: e.dir,
	})
}

func copyTo(path string, from *os.File) error {
	if _, err := from.Seek(0, io.SeekStart); err != nil {
		return err
	}
	to, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(to, from)
	return errors.Join(err, to.Close())
}

// start starts the server and waits until it is ready. It then runs until this
// process ends.
func (e *engine) start(ctx context.Context) error {
	server, err := host.Start(ctx, host.Command{
		Args: []string{"k3s", "server", "--config", e.path("config.yaml")}, Env: e.env(), Bare: true, Dir: e.dir,
	})
	if err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Wait() }()
	late := time.NewTimer(e.ready)
	defer late.Stop()
	var refused error
	for {
		select {
		case err := <-ended:
			return fmt.Errorf("it did not stay up: %w", errors.Join(err, ctx.Err()))
		case <-late.C:
			return tell.Hint(fmt.Errorf("not ready after %s: %w; it said last: %s", e.ready, refused, server.Said()),
				"--ready gives it more time")
		case <-time.After(probePause):
		}
		if refused = e.probe(ctx); refused == nil {
			return nil
		}
	}
}

func (e *engine) probe(ctx context.Context) error {
	if _, err := os.Stat(e.kubeconfig()); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, probeLimit)
	defer cancel()
	return e.api().get(ctx, "/readyz", func(r io.Reader) error {
		_, err := io.Copy(io.Discard, io.LimitReader(r, 1<<20))
		return err
	})
}
