package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"syscall"
	"time"

	"github.com/railiance/railiance/tools/internal/access"
	"github.com/railiance/railiance/tools/internal/asset"
	"github.com/railiance/railiance/tools/internal/catalog"
	"github.com/railiance/railiance/tools/internal/layer"
	"github.com/railiance/railiance/tools/internal/seal"
	"github.com/railiance/railiance/tools/internal/setrun"
	"github.com/railiance/railiance/tools/internal/tell"
)

// one backs one asset up and notes in m what came of it. Its failure does not
// stop the others.
func (r *Run) one(ctx context.Context, a layer.Asset, m *catalog.Manifest) {
	ctx, cancel := context.WithTimeoutCause(ctx, a.Timeout, fmt.Errorf("it took longer than %s", a.Timeout))
	defer cancel()
	begin := time.Now()
	made, err := r.take(ctx, a, m)
	if errors.Is(err, asset.ErrAgain) {
		r.Tell.Warn(a.Name, "once more: %v", err)
		made, err = r.take(ctx, a, m)
	}
	if errors.Is(err, asset.ErrElsewhere) {
		r.Tell.Say(a.Name, "left out: %v", err)
		return
	}
	if made != nil {
		made.Seconds = time.Since(begin).Seconds()
		m.Artifacts = append(m.Artifacts, *made)
	}
	if err != nil {
		r.fail(m, failedName(a, made), err)
		return
	}
	r.Tell.Say(made.Asset, "%s, %s", made.Name, tell.Bytes(made.Size))
}

// failedName is the name under which the set would have held the asset.
func failedName(a layer.Asset, made *catalog.Artifact) string {
	if made != nil {
		return made.Asset
	}
	return a.Name
}

func (r *Run) fail(m *catalog.Manifest, name string, err error) {
	r.Tell.Fail(name, err)
	m.Failures = append(m.Failures, catalog.Failure{Asset: name, What: setrun.Short(err.Error())})
}

// take returns the artifact, and an error. Both, where the artifact is whole
// but lacks something.
func (r *Run) take(ctx context.Context, a layer.Asset, m *catalog.Manifest) (made *catalog.Artifact, err error) {
	dump, err := a.Kind.Take(ctx, m.Time)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, dump.Close()) }()
	name := catalog.ArtifactName(dump.Asset, m.Time, dump.Ext)
	to, err := r.recipients(name)
	if err != nil {
		return nil, err
	}
	shown, end := r.Tell.Progress(dump.Asset)
	defer end()
	var report asset.Report
	var lacks error // with the way out that came with it
	var sum seal.Sum
	write := seal.Stream(func(w io.Writer) error {
		var err error
		report, err = dump.Write(io.MultiWriter(w, shown))
		if partial := (*asset.PartialError)(nil); errors.As(err, &partial) {
			lacks = err
			return nil
		}
		return err
	})
	if err := r.dir.Put(ctx, name, write.Encrypted(to.List...).Measured(&sum)); err != nil {
		if cause := context.Cause(ctx); cause != nil && !errors.Is(err, cause) {
			err = fmt.Errorf("%w: %w", cause, err)
		}
		if errors.Is(err, syscall.ENOSPC) {
			err = tell.Hint(err, "free space on the disk of %s; the older sets are as they were", r.dir.Path())
		}
		return nil, err
	}
	made = &catalog.Artifact{
		Name: name, Asset: dump.Asset, Kind: dump.Kind, Size: sum.Size, SHA256: sum.SHA256,
		Recipients: to.Strings, PostQuantum: to.PostQuantum,
		Source: report.Source, Checks: report.Checks, Contents: report.Contents,
	}
	m.Findings = append(m.Findings, setrun.Findings(r.Tell, dump.Asset, report.Findings)...)
	return made, lacks
}

func (r *Run) recipients(name string) (access.Recipients, error) {
	return access.ForPath(r.Layer.SOPS, filepath.Join(r.Layer.Backups, name))
}

// crossCheck fails a set whose parts are good but would not open each other.
func (r *Run) crossCheck(m *catalog.Manifest) {
	var encryption string
	for _, a := range m.Artifacts {
		if a.Source["encryption"] != "" {
			encryption = a.Source["encryption"]
		}
	}
	server, ok := m.Artifact(asset.KindServer)
	if encryption == "" || !ok || !m.Holds(asset.KindServer) {
		return
	}
	if server.Contents[asset.CountEncryption] == 0 {
		r.fail(m, server.Asset, tell.Hint(
			fmt.Errorf("the cluster's Secrets are encrypted (%s), but %s is not in the backup", encryption, asset.MemberEncryption),
			"without that key a restored API server never becomes ready; k3s keeps it in server/cred of its data directory"))
	}
}
