package pvecli

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"github.com/railiance/railiance/tools/internal/clustercontext"
	"github.com/railiance/railiance/tools/internal/layer"
	"github.com/railiance/railiance/tools/internal/plugin"
	"github.com/railiance/railiance/tools/internal/tell"
)

// readContext reads the cluster context, and the cluster of the policy in it.
func (e *estate) readContext() error {
	path := e.layer.Guests.Context
	all, err := clustercontext.Read(path)
	if errors.Is(err, fs.ErrNotExist) {
		err = tell.Hint(err, "madagascar.example.json beside it shows what it says; --from reads a copy of a site without it")
	}
	if err == nil {
		e.cluster, err = all.Cluster(e.layer.Guests.Cluster)
	}
	if err != nil {
		return &plugin.Usage{Err: err}
	}
	for _, unknown := range all.Unknown {
		e.Tell.Warn("", "%s: %s: not known here, and kept", path, unknown)
	}
	return nil
}

// described are the sites of those names, as the cluster context describes them.
func (e *estate) described(names []string) ([]clustercontext.Store, error) {
	var all []clustercontext.Store
	for _, name := range names {
		one, err := e.describe(name)
		if err != nil {
			return nil, &plugin.Usage{Err: err}
		}
		if c := one.Credentials; c != "" && !filepath.IsAbs(c) {
			one.Credentials = filepath.Join(e.layer.Dir, c)
		}
		all = append(all, one)
	}
	return all, nil
}

// describe finds a site of the policy in the cluster context.
func (e *estate) describe(name string) (clustercontext.Store, error) {
	server, kept, _ := strings.Cut(name, "/")
	for _, s := range e.cluster.BackupServers {
		i := slices.IndexFunc(s.Stores, func(s clustercontext.Store) bool { return s.Name == kept })
		if s.Name == server && i >= 0 {
			return s.Stores[i], nil
		}
	}
	return clustercontext.Store{}, tell.Hint(fmt.Errorf("%s: guests.sites: %s is no store of cluster %s", layer.FileName, name, e.cluster.Name),
		"clusters.%s.backupServers of %s lists them", e.cluster.Name, e.layer.Guests.Context)
}
