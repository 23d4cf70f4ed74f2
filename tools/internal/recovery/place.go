package recovery

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
	"time"

	"github.com/railiance/railiance/tools/internal/asset"
	"github.com/railiance/railiance/tools/internal/host"
	"github.com/railiance/railiance/tools/internal/state"
)

// place puts in place what k3s needs before its datastore.
func (r *Restore) place(ctx context.Context, s *staged) error {
	if err := r.placeToken(s); err != nil {
		return err
	}
	if err := r.placeCertificates(s); err != nil {
		return err
	}
	if s.hasBelow("server/manifests") {
		if err := r.replaceFolder("manifests", s); err != nil {
			return err
		}
	}
	if !r.KeepConfig {
		if err := r.placeConfig(s); err != nil {
			return err
		}
	}
	return r.placeMissing(ctx, s)
}

func (s *staged) hasBelow(dir string) bool {
	return slices.ContainsFunc(s.members, func(m string) bool { return strings.HasPrefix(m, dir+"/") })
}

func (r *Restore) placeToken(s *staged) error {
	token, err := content(s.path(asset.MemberToken))
	if err != nil {
		return err
	}
	if err := state.ReplaceBytes(r.Layer.K3s.Token(), token, 0o600); err != nil {
		return fmt.Errorf("server token: %w", err)
	}
	agent, err := content(s.path("server/agent-token"))
	if err != nil || agent == nil || bytes.Equal(agent, token) {
		return err // k3s makes it from the server token
	}
	if err := state.ReplaceBytes(r.places.agentToken(), agent, 0o600); err != nil {
		return fmt.Errorf("agent token: %w", err)
	}
	return nil
}

// placeCertificates leaves it to k3s to make its certificates, keys and
// encryption configuration anew from the datastore, which holds them under the
// server token: files that are there and newer than the datastore's would make
// k3s refuse to start. Only a datastore that lacks them gets the set's files,
// with the set's time, lest they be taken for newer than anything.
func (r *Restore) placeCertificates(s *staged) error {
	for _, name := range []string{"tls", "cred"} {
		if !s.bootstrap && s.hasBelow("server/"+name) {
			if err := r.replaceFolder(name, s); err != nil {
				return err
			}
			continue
		}
		if err := os.RemoveAll(filepath.Join(r.places.server, name)); err != nil {
			return err
		}
	}
	return nil
}

// replaceFolder makes server/<name> hold what the set holds, and nothing else.
func (r *Restore) replaceFolder(name string, s *staged) error {
	final := filepath.Join(r.places.server, name)
	draft := final + ".railiance"
	if err := os.RemoveAll(draft); err != nil {
		return err
	}
	if err := copyTree(s.path("server/"+name), draft); err != nil {
		return full(fmt.Errorf("%s: %w", name, err))
	}
	err := filepath.WalkDir(draft, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Chtimes(path, time.Time{}, r.Set.Time)
	})
	if err != nil {
		return err
	}
	if err := os.RemoveAll(final); err != nil {
		return err
	}
	return rename(draft, final)
}

func (r *Restore) placeConfig(s *staged) error {
	files, err := r.configFiles(s)
	if err != nil {
		return err
	}
	for _, f := range files {
		there, err := content(s.path(f.member))
		if err != nil {
			return err
		}
		if there == nil {
			if err := os.Remove(f.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
			continue
		}
		if err := put(f.path, there, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// put replaces a file and keeps its mode, where there was one.
func put(path string, b []byte, mode fs.FileMode) error {
	if err := folder(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if info, err := os.Stat(path); err == nil {
		mode = info.Mode().Perm()
	}
	if err := state.ReplaceBytes(path, b, mode); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// placeMissing puts the unit, the node's password and the kubeconfig where there
// are none. Those
// that are there belong to the k3s that was installed here.
func (r *Restore) placeMissing(ctx context.Context, s *staged) error {
	reload := false
	for _, member := range s.members {
		unit := r.Layer.K3s.UnitPath(member)
		if unit == "" || exists(unit) {
			continue
		}
		there, err := content(s.path(member))
		if err != nil {
			return err
		}
		mode := fs.FileMode(0o600) // an environment file holds the token
		if ext := filepath.Ext(unit); ext == ".service" || ext == ".conf" {
			mode = 0o644
		}
		if err := r.make(unit, there, mode); err != nil {
			return err
		}
		reload = true
	}
	password, err := content(s.path(asset.MemberPassword))
	if err != nil {
		return err
	}
	if password != nil && !exists(r.Layer.K3s.NodePassword) {
		if err := r.make(r.Layer.K3s.NodePassword, password, 0o600); err != nil {
			return err
		}
	}
	if s.kubeconfigTo != "" && !exists(s.kubeconfigTo) {
		b, err := content(s.kubeconfig)
		if err != nil {
			return err
		}
		if err := r.make(s.kubeconfigTo, b, 0o600); err != nil {
			return err
		}
	}
	if reload {
		return host.Run(ctx, host.Command{Args: []string{"systemctl", "daemon-reload"}})
	}
	return nil
}

// make makes a file that was not there, and notes it first, so that going back
// removes it.
func (r *Restore) make(path string, b []byte, mode fs.FileMode) error {
	if !slices.Contains(r.journal.Made, path) {
		r.journal.Made = append(r.journal.Made, path)
		if err := r.write(); err != nil {
			return err
		}
	}
	return put(path, b, mode)
}
