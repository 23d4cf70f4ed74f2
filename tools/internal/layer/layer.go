// Package layer reads layer.yaml: what a layer owns, in the order to restore
// it, and where its backups go. Everything in it is checked before anything is
// done, and an error names the file and the line or the field.
package layer

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/railiance/railiance/tools/internal/access"
	"github.com/railiance/railiance/tools/internal/asset"
	"github.com/railiance/railiance/tools/internal/catalog"
	"github.com/railiance/railiance/tools/internal/guestpolicy"
	"github.com/railiance/railiance/tools/internal/tell"
)

// FileName is the name of a layer's description.
const FileName = "layer.yaml"

// AllowedSigners is the name of the file that pins who may sign manifests.
const AllowedSigners = "allowed_signers"

// Layer is a layer with everything that its deeds need to know.
type Layer struct {
	Name    string
	Dir     string // of layer.yaml
	Keep    catalog.Keep
	MaxAge  time.Duration // of the newest complete set, beyond which status complains
	K3s     asset.K3s
	Assets  []Asset
	Guests  *guestpolicy.Policy // of a Proxmox cluster; nil: the layer owns none
	SignKey string              // private ssh key that signs manifests
	Metrics string              // folder of Prometheus's textfile collector; empty: none
	PingURL string              // file with a dead-man URL, which is a secret; empty: none

	Backups string // folder of the sets: <BACKUP_ROOT>/<layer>
	State   string // folder of what is remembered outside of Backups
	Seen    string // file in it that remembers the newest set
	SOPS    string // .sops.yaml; empty: none was found
	Signers string // allowed_signers, which may not exist yet
}

// Asset is one entry of layer.yaml.
type Asset struct {
	Name    string
	Kind    asset.Kind
	Timeout time.Duration
}

// Places are the settings that the environment can move.
type Places struct {
	BackupRoot string // default DefaultBackupRoot
	StateRoot  string // default DefaultStateRoot
	Home       string
}

// Where things are unless the environment says otherwise.
const (
	DefaultBackupRoot = "/opt/backup/railiance"
	DefaultStateRoot  = "/var/lib/railiance"
)

const (
	fileLimit      = 1 << 20 // bytes
	defaultTimeout = 30 * time.Minute
	defaultMaxAge  = 26 * time.Hour
)

type file struct {
	Format  int          `yaml:"format"`
	Layer   string       `yaml:"layer"`
	Keep    catalog.Keep `yaml:"keep"`
	Timeout duration     `yaml:"timeout"`
	MaxAge  duration     `yaml:"max-age"`
	K3s     asset.K3s    `yaml:"k3s"`
	Sign    string       `yaml:"sign"`
	Metrics string       `yaml:"metrics"`
	PingURL string       `yaml:"ping-url-file"`
	Assets  []yaml.Node  `yaml:"assets"`

	Guests *guestpolicy.Policy `yaml:"guests"`
}

// duration is a time.Duration in Go's notation: 30m, 26h.
type duration time.Duration

func (d *duration) UnmarshalYAML(n *yaml.Node) error {
	v, err := time.ParseDuration(n.Value)
	if err != nil || v <= 0 {
		return fmt.Errorf("line %d: %q is not a duration such as 30m or 26h", n.Line, n.Value)
	}
	*d = duration(v)
	return nil
}

// Load reads the layer.yaml in dir.
func Load(dir string, places Places) (*Layer, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	for name, root := range map[string]string{"BACKUP_ROOT": places.BackupRoot, "RAILIANCE_STATE": places.StateRoot} {
		if root != "" && !filepath.IsAbs(root) {
			return nil, fmt.Errorf("%s: %q is not an absolute path", name, root)
		}
	}
	path := filepath.Join(dir, FileName)
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, tell.Hint(err, "run make in a layer's folder, or name it with --layer")
	}
	l, err := parse(b, dir, places)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if l.SOPS, err = access.Find(dir); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	l.Signers = signers(dir, l.SOPS)
	return l, nil
}

// signers is the nearest allowed_signers above dir, or where one would go: next
// to .sops.yaml, which is reviewed in the same way.
func signers(dir, sops string) string {
	for at := dir; ; at = filepath.Dir(at) {
		path := filepath.Join(at, AllowedSigners)
		if _, err := os.Stat(path); err == nil {
			return path
		}
		if at == filepath.Dir(at) {
			break
		}
	}
	if sops != "" {
		dir = filepath.Dir(sops)
	}
	return filepath.Join(dir, AllowedSigners)
}

// parse reads the text of the layer.yaml in dir.
func parse(b []byte, dir string, places Places) (*Layer, error) {
	if len(b) > fileLimit {
		return nil, fmt.Errorf("%d bytes are too many", len(b))
	}
	f := file{
		K3s:     asset.DefaultK3s(),
		Timeout: duration(defaultTimeout),
		MaxAge:  duration(defaultMaxAge),
		Keep:    catalog.Keep{},
		Sign:    "/etc/ssh/ssh_host_ed25519_key",
	}
	if err := strict(b, &f); err != nil {
		return nil, err
	}
	if f.Format != 1 {
		return nil, fmt.Errorf("format: %d is not known here, 1 is", f.Format)
	}
	if err := asset.CheckName(f.Layer); err != nil {
		return nil, fmt.Errorf("layer: %w", err)
	}
	if f.Keep == (catalog.Keep{}) {
		f.Keep.Last = 7
	}
	expand := func(path *string) { *path = home(*path, places.Home) }
	for _, path := range []*string{
		&f.K3s.DataDir, &f.K3s.Config, &f.K3s.Registries, &f.K3s.Kubeconfig, &f.K3s.NodePassword, &f.Sign, &f.Metrics, &f.PingURL,
	} {
		expand(path)
	}
	for i := range f.K3s.Units {
		expand(&f.K3s.Units[i])
	}
	if err := errors.Join(f.Keep.Check(), f.K3s.CheckSettings()); err != nil {
		return nil, err
	}
	l := &Layer{
		Name: f.Layer, Dir: dir, Keep: f.Keep, MaxAge: time.Duration(f.MaxAge), K3s: f.K3s,
		SignKey: f.Sign, Metrics: f.Metrics, PingURL: f.PingURL,
		Backups: filepath.Join(or(places.BackupRoot, DefaultBackupRoot), f.Layer),
		State:   or(places.StateRoot, DefaultStateRoot),
	}
	l.Seen = filepath.Join(l.State, f.Layer+".seen")
	if len(f.Assets) == 0 && f.Guests == nil {
		return nil, errors.New("assets: none, and no guests: the layer owns nothing")
	}
	if f.Guests != nil {
		if err := f.Guests.Settle(dir, f.Keep, l.MaxAge); err != nil {
			return nil, err
		}
		l.Guests = f.Guests
	}
	seen := map[string]bool{}
	for i, node := range f.Assets {
		a, err := assetOf(node, f.K3s, time.Duration(f.Timeout), places.Home)
		if err != nil {
			return nil, fmt.Errorf("assets[%d] (line %d): %w", i, node.Line, err)
		}
		if seen[a.Name] {
			return nil, fmt.Errorf("assets[%d] (line %d): name: %s stands here twice", i, node.Line, a.Name)
		}
		seen[a.Name] = true
		l.Assets = append(l.Assets, a)
	}
	return l, nil
}

// strict decodes YAML and refuses fields that nobody reads.
func strict(b []byte, v any) (err error) {
	// The decoder panics on some merge keys.
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("not YAML that can be decoded: %v", p)
		}
	}()
	d := yaml.NewDecoder(bytes.NewReader(b))
	d.KnownFields(true)
	if err := d.Decode(v); err != nil {
		if errors.Is(err, io.EOF) {
			return errors.New("empty")
		}
		return err
	}
	if err := d.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return errors.New("more than one YAML document")
	}
	return nil
}

// home expands a leading ~.
func home(path, dir string) string {
	if rest, ok := strings.CutPrefix(path, "~/"); ok {
		return filepath.Join(dir, rest)
	}
	return path
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
