package drill

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/railiance/railiance/tools/internal/host/sandbox"
)

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
