package layer

import (
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/railiance/railiance/tools/internal/asset"
)

// entry is what every asset may say; paths is for the kinds that read files.
type entry struct {
	Name    string   `yaml:"name"`
	Kind    string   `yaml:"kind"`
	Timeout duration `yaml:"timeout"`
	Paths   []string `yaml:"paths"`
}

// assetOf makes the asset of one entry. KnownFields does not reach a
// Node.Decode, hence the way through text.
func assetOf(node yaml.Node, k3s asset.K3s, timeout time.Duration, homeDir string) (Asset, error) {
	text, err := yaml.Marshal(&node)
	if err != nil {
		return Asset{}, err
	}
	e := entry{Timeout: duration(timeout)}
	if err := strict(text, &e); err != nil {
		return Asset{}, err
	}
	if err := asset.CheckName(e.Name); err != nil {
		return Asset{}, fmt.Errorf("name: %w", err)
	}
	a := Asset{Name: e.Name, Timeout: time.Duration(e.Timeout)}
	switch e.Kind {
	case asset.KindDatastore:
		a.Kind = asset.Datastore{K3s: k3s}
	case asset.KindServer:
		a.Kind = asset.Server{Name: e.Name, K3s: k3s}
	case asset.KindHelmValues:
		a.Kind = asset.HelmValues{Name: e.Name, K3s: k3s}
	case asset.KindKubeconfig:
		paths, err := absolute(e.Paths, homeDir)
		if err != nil {
			return Asset{}, err
		}
		a.Kind = asset.Kubeconfig{Name: e.Name, Paths: paths}
	case "":
		return Asset{}, errors.New("kind: missing")
	default:
		return Asset{}, fmt.Errorf("kind: %q is none of %s, %s, %s, %s", e.Kind,
			asset.KindServer, asset.KindDatastore, asset.KindHelmValues, asset.KindKubeconfig)
	}
	if e.Kind != asset.KindKubeconfig && len(e.Paths) > 0 {
		return Asset{}, fmt.Errorf("paths: kind %s has none", e.Kind)
	}
	return a, nil
}

func absolute(paths []string, homeDir string) ([]string, error) {
	if len(paths) == 0 {
		return nil, errors.New("paths: none")
	}
	var out []string
	for _, p := range paths {
		p = home(p, homeDir)
		if !filepath.IsAbs(p) {
			return nil, fmt.Errorf("paths: %q is not an absolute path", p)
		}
		out = append(out, p)
	}
	return out, nil
}
