package asset

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/railiance/railiance/tools/internal/catalog"
	"github.com/railiance/railiance/tools/internal/kubeconfig"
	"github.com/railiance/railiance/tools/internal/tell"
)

// KindKubeconfig is a kubeconfig, as it is.
const KindKubeconfig = "kubeconfig"

const (
	kubeconfigLimit = 4 << 20             // bytes
	expirySoon      = 30 * 24 * time.Hour // k3s's own certificates live for a year
)

// Kubeconfig is the first of some files that exists.
type Kubeconfig struct {
	nothing
	Name  string
	Paths []string // absolute
}

func (k Kubeconfig) find() (string, error) {
	for _, path := range k.Paths {
		if _, err := os.Stat(path); err == nil {
			return path, nil
		} else if !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
	}
	return "", tell.Hint(fmt.Errorf("none of these exists: %s", strings.Join(k.Paths, ", ")), "name the file under paths in layer.yaml")
}

// Take reads the file. One that cannot be parsed is no asset; one that is
// expired is, and it is said.
func (k Kubeconfig) Take(_ context.Context, at time.Time) (*Dump, error) {
	path, err := k.find()
	if err != nil {
		return nil, err
	}
	b, err := readSmall(path, kubeconfigLimit)
	if err != nil {
		return nil, err
	}
	config, err := kubeconfig.Parse(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	report := Report{
		Source:   map[string]string{"path": path},
		Checks:   []catalog.Check{ok("parsed")},
		Contents: kubeconfigContents(config),
	}
	for _, f := range config.Findings(at, expirySoon) {
		what := f.What
		if f.Field != "" {
			what = f.Field + ": " + what
		}
		report.Checks = append(report.Checks, catalog.Check{Name: string(f.Severity), Verdict: what})
		report.Findings = append(report.Findings, catalog.Finding{Asset: k.Name, What: what, Why: f.Hint})
	}
	return &Dump{
		Asset: k.Name, Kind: KindKubeconfig, Ext: "yaml",
		Write: func(w io.Writer) (Report, error) {
			_, err := w.Write(b)
			return report, err
		},
		Close: done,
	}, nil
}

// Plan says which file it is.
func (k Kubeconfig) Plan(context.Context) (string, error) {
	path, err := k.find()
	if err != nil {
		return "", err
	}
	return k.Name + ": read " + path, nil
}

func checkKubeconfig(_ context.Context, f *os.File) (catalog.Contents, error) {
	b, err := io.ReadAll(io.LimitReader(f, kubeconfigLimit+1))
	if err != nil {
		return nil, err
	}
	config, err := kubeconfig.Parse(b)
	if err != nil {
		return nil, err
	}
	return kubeconfigContents(config), nil
}

func kubeconfigContents(c *kubeconfig.Config) catalog.Contents {
	found := c.Contents()
	return catalog.Contents{
		"clusters": int64(found.Clusters),
		"contexts": int64(found.Contexts),
		"users":    int64(found.Users),
	}
}
