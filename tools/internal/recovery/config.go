package recovery

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/railiance/railiance/tools/internal/asset"
)

// configFile is a file of k3s's configuration: where it stands, and in the set.
type configFile struct {
	path   string
	member string
}

// configFiles are those that are here or in the set.
func (r *Restore) configFiles(s *staged) ([]configFile, error) {
	k := r.Layer.K3s
	files := []configFile{{k.Config, asset.MemberConfig}, {k.Registries, asset.MemberRegistries}}
	seen := map[string]bool{}
	add := func(name string) {
		if !seen[name] {
			seen[name] = true
			files = append(files, configFile{filepath.Join(k.Config+".d", filepath.FromSlash(name)), path.Join(asset.MemberConfigDir, name)})
		}
	}
	for _, member := range s.members {
		if name, ok := strings.CutPrefix(member, asset.MemberConfigDir+"/"); ok {
			add(name)
		}
	}
	here, err := os.ReadDir(k.Config + ".d")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for _, e := range here {
		if e.Type().IsRegular() {
			add(e.Name())
		}
	}
	return files, nil
}

const configLimit = 16 << 20 // bytes, as a set may hold

// content is the content of a small file; nil, where there is none.
func content(path string) ([]byte, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, configLimit+1))
	if err != nil {
		return nil, err
	}
	if len(b) > configLimit {
		return nil, fmt.Errorf("%s: more than %d bytes", path, configLimit)
	}
	if b == nil {
		b = []byte{}
	}
	return b, nil
}

// joins says whether the configuration that will be in force makes this server
// join another.
func (r *Restore) joins(s *staged) (bool, error) {
	files, err := r.configFiles(s)
	if err != nil {
		return false, err
	}
	for _, f := range files {
		if f.member == asset.MemberRegistries {
			continue
		}
		from := s.path(f.member)
		if r.KeepConfig {
			from = f.path
		}
		b, err := content(from)
		if err != nil {
			return false, err
		}
		var config struct {
			Server string `yaml:"server"`
		}
		if err := asset.Decode(b, &config); err != nil {
			return false, fmt.Errorf("%s: not YAML that k3s could read", f.path)
		}
		if config.Server != "" {
			return true, nil
		}
	}
	return false, nil
}
