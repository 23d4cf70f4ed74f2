package asset

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/railiance/railiance/tools/internal/host"

	"github.com/railiance/railiance/tools/internal/tell"
)

// K3s is a k3s server, as the section k3s of layer.yaml tells of it.
type K3s struct {
	DataDir    string `yaml:"data-dir"`   // k3s's --data-dir
	Config     string `yaml:"config"`     // config.yaml; config.yaml.d stands beside it
	Registries string `yaml:"registries"` // registries.yaml
	Kubeconfig string `yaml:"kubeconfig"` // the administrator's, on this server
	// NodePassword is by what the cluster knows this machine's name again: a
	// machine that comes with that name and another password is turned away.
	NodePassword string   `yaml:"node-password"`
	Service      string   `yaml:"service"`   // the systemd unit
	Units        []string `yaml:"units"`     // files that start it: the unit, its environment
	Datastore    string   `yaml:"datastore"` // auto, etcd, sqlite, external
}

// DefaultK3s is where k3s's own installer puts things.
func DefaultK3s() K3s {
	return K3s{
		DataDir:    "/var/lib/rancher/k3s",
		Config:     "/etc/rancher/k3s/config.yaml",
		Registries: "/etc/rancher/k3s/registries.yaml",
		Kubeconfig: "/etc/rancher/k3s/k3s.yaml",

		NodePassword: "/etc/rancher/node/password",

		Service:   "k3s",
		Units:     []string{"/etc/systemd/system/k3s.service", "/etc/systemd/system/k3s.service.env"},
		Datastore: DatastoreAuto,
	}
}

// The datastores of k3s.
const (
	DatastoreAuto     = "auto"
	DatastoreEtcd     = "etcd"
	DatastoreSQLite   = "sqlite"
	DatastoreExternal = "external" // somebody else's: backed up where it lives
)

// CheckSettings refuses settings that cannot be meant.
func (k K3s) CheckSettings() error {
	if !slices.Contains([]string{DatastoreAuto, DatastoreEtcd, DatastoreSQLite, DatastoreExternal}, k.Datastore) {
		return fmt.Errorf("k3s: datastore: %q is none of auto, etcd, sqlite, external", k.Datastore)
	}
	for field, path := range map[string]string{
		"data-dir": k.DataDir, "config": k.Config, "registries": k.Registries, "kubeconfig": k.Kubeconfig,
		"node-password": k.NodePassword,
	} {
		if !filepath.IsAbs(path) {
			return fmt.Errorf("k3s: %s: %q is not an absolute path", field, path)
		}
	}
	if k.Service == "" || strings.ContainsAny(k.Service, "/ \t\n") || strings.HasPrefix(k.Service, "-") {
		return fmt.Errorf("k3s: service: %q is not a unit's name", k.Service)
	}
	return nil
}

// StateDB is k3s's SQLite database.
func (k K3s) StateDB() string { return filepath.Join(k.DataDir, "server", "db", "state.db") }

// Snapshots is where k3s writes etcd snapshots.
func (k K3s) Snapshots() string { return filepath.Join(k.DataDir, "server", "db", "snapshots") }

// Journal is the file that a restore keeps while it is under way.
func (k K3s) Journal() string { return filepath.Join(k.DataDir, "server", "railiance-restore.json") }

// Token is the file of the server token.
func (k K3s) Token() string { return filepath.Join(k.DataDir, "server", "token") }

const outputLimit = 1 << 20 // bytes of a k3s command's answer, where it is short

// run runs a k3s command and returns what it printed.
func (k K3s) run(ctx context.Context, args ...string) ([]byte, error) {
	out, err := host.Output(ctx, host.Command{Args: append([]string{"k3s"}, args...)}, outputLimit)
	if errors.Is(err, host.ErrNotInstalled) {
		return nil, tell.Hint(err, "run this on the k3s server; PATH is %s", os.Getenv("PATH"))
	}
	return out, err
}

// Version is the first line of k3s --version: "k3s version v1.36.3+k3s1 (…)".
func (k K3s) Version(ctx context.Context) (string, error) {
	out, err := k.run(ctx, "--version")
	if err != nil {
		return "", err
	}
	line, _, _ := bytes.Cut(out, []byte("\n"))
	return host.Printable(strings.TrimSpace(string(line))), nil
}

const configLimit = 1 << 20 // bytes

// Decode decodes YAML that is not ours.
func Decode(b []byte, v any) (err error) {
	// The decoder panics on some merge keys.
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("not YAML that can be decoded: %v", p)
		}
	}()
	return yaml.Unmarshal(b, v)
}

func readSmall(path string, limit int64) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: not a regular file", path)
	}
	if info.Size() > limit {
		return nil, fmt.Errorf("%s: %d bytes are more than the %d that it may have", path, info.Size(), limit)
	}
	return os.ReadFile(path)
}
