package asset

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
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
	DataDir    string   `yaml:"data-dir"`   // k3s's --data-dir
	Config     string   `yaml:"config"`     // config.yaml; config.yaml.d stands beside it
	Registries string   `yaml:"registries"` // registries.yaml
	Kubeconfig string   `yaml:"kubeconfig"` // the administrator's, on this server
	Service    string   `yaml:"service"`    // the systemd unit
	Units      []string `yaml:"units"`      // files that start it: the unit, its environment
	Datastore  string   `yaml:"datastore"`  // auto, etcd, sqlite, external
}

// DefaultK3s is where k3s's own installer puts things.
func DefaultK3s() K3s {
	return K3s{
		DataDir:    "/var/lib/rancher/k3s",
		Config:     "/etc/rancher/k3s/config.yaml",
		Registries: "/etc/rancher/k3s/registries.yaml",
		Kubeconfig: "/etc/rancher/k3s/k3s.yaml",
		Service:    "k3s",
		Units:      []string{"/etc/systemd/system/k3s.service", "/etc/systemd/system/k3s.service.env"},
		Datastore:  DatastoreAuto,
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

// endpoint is the datastore-endpoint that k3s was given, wherever: its
// configuration or the environment of its unit. Flags in the unit's command
// line are looked at too.
func (k K3s) endpoint() (value, where string, err error) {
	files := []string{k.Config}
	more, err := filepath.Glob(filepath.Join(k.Config+".d", "*.yaml"))
	if err != nil {
		return "", "", err
	}
	for _, file := range append(files, more...) {
		b, err := readSmall(file, configLimit)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return "", "", err
		}
		var config struct {
			Endpoint string `yaml:"datastore-endpoint"`
		}
		if err := decode(b, &config); err != nil {
			return "", "", fmt.Errorf("%s: %w", file, err)
		}
		if config.Endpoint != "" {
			value, where = config.Endpoint, file
		}
	}
	for _, unit := range k.Units {
		b, err := readSmall(unit, configLimit)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return "", "", err
		}
		if v, ok := unitEndpoint(string(b)); ok {
			value, where = v, unit
		}
	}
	return value, where, nil
}

// decode decodes YAML that is not ours.
func decode(b []byte, v any) (err error) {
	// The decoder panics on some merge keys.
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("not YAML that can be decoded: %v", p)
		}
	}()
	return yaml.Unmarshal(b, v)
}

// unitEndpoint finds an endpoint in a unit file or an environment file.
func unitEndpoint(text string) (string, bool) {
	const variable, flag = "K3S_DATASTORE_ENDPOINT", "--datastore-endpoint"
	text = strings.ReplaceAll(text, "\\\n", " ")
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "#") || strings.HasPrefix(line, ";") {
			continue
		}
		for _, name := range []string{variable, flag} {
			_, rest, found := strings.Cut(line, name)
			if !found || rest == "" || !strings.ContainsAny(rest[:1], "= '\"\t") {
				continue
			}
			if v := strings.Trim(strings.TrimSpace(strings.TrimLeft(rest, "='\" \t")), "'\""); v != "" {
				return v, true
			}
		}
	}
	return "", false
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
