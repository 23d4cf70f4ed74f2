package asset

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/klauspost/compress/gzip"

	"github.com/railiance/railiance/tools/internal/catalog"
	"github.com/railiance/railiance/tools/internal/helmrelease"
	"github.com/railiance/railiance/tools/internal/host"
	"github.com/railiance/railiance/tools/internal/seal"
	"github.com/railiance/railiance/tools/internal/tell"
)

// KindHelmValues is a gzipped tar of every Helm release of the cluster.
const KindHelmValues = "helm-values"

// HelmValues reads the release records through k3s's own kubectl: a k3s server
// always has it, helm it may not have, and helm's list keeps silent about what
// it skips.
type HelmValues struct {
	nothing
	Name string
	K3s  K3s
}

// Take asks for nothing yet: the records go from the API server to the store
// while Write runs.
func (h HelmValues) Take(ctx context.Context, _ time.Time) (*Dump, error) {
	version, err := h.K3s.Version(ctx)
	if err != nil {
		return nil, err
	}
	return &Dump{
		Asset: h.Name, Kind: KindHelmValues, Ext: "tar.gz",
		Write: func(w io.Writer) (Report, error) { return h.write(ctx, w, version) },
		Close: done,
	}, nil
}

func (h HelmValues) write(ctx context.Context, w io.Writer, version string) (Report, error) {
	var written, read helmrelease.Contents
	tar := seal.Stream(func(w io.Writer) error {
		archive := helmrelease.NewArchive(w)
		err := helmrelease.List(h.get(ctx), archive.Add)
		if err != nil {
			return err
		}
		written, err = archive.Close()
		return err
	})
	err := tar.Checked(func(r io.Reader) (err error) {
		read, err = helmrelease.ReadTar(r)
		return err
	}).Gzipped()(w)
	if errors.Is(err, helmrelease.ErrExpired) {
		return Report{}, fmt.Errorf("%w: %w", ErrAgain, err)
	}
	if err != nil {
		return Report{}, err
	}
	if read.Count() != written.Count() || read.Revisions != written.Revisions {
		return Report{}, fmt.Errorf("%d releases were written, %d read back", written.Count(), read.Count())
	}
	report := Report{
		Source:   map[string]string{"k3s": version},
		Checks:   []catalog.Check{ok("tar"), ok("records")},
		Contents: helmContents(read),
	}
	for _, what := range read.Ignored {
		report.Findings = append(report.Findings, catalog.Finding{Asset: h.Name, What: what, Why: "Helm ignores it too"})
	}
	// The index names all that is not in the tar, also what could be read and
	// then not be written so that it reads back.
	var lacks []error
	for _, what := range read.Problems {
		lacks = append(lacks, errors.New(what))
	}
	if len(lacks) > 0 {
		return report, tell.Hint(&PartialError{lacks},
			"the other releases are in the artifact; mend or delete the broken record (kubectl get secret -n <namespace> <name>)")
	}
	return report, nil
}

// get runs one kubectl call and streams its answer.
func (h HelmValues) get(ctx context.Context) func(string, func(io.Reader) error) error {
	return func(path string, use func(io.Reader) error) error {
		return expired(host.Read(ctx, host.Command{
			Args: []string{"k3s", "kubectl", "get", "--raw", path},
			Env:  []string{"KUBECONFIG=" + h.K3s.Kubeconfig},
		}, use))
	}
}

// expired recognizes a list that the API server has forgotten.
func expired(err error) error {
	var exit *host.ExitError
	if errors.As(err, &exit) && (strings.Contains(exit.Stderr, "Expired") || strings.Contains(exit.Stderr, "too old resource version")) {
		return fmt.Errorf("%w: %w", helmrelease.ErrExpired, err)
	}
	return err
}

// Plan counts nothing: that would be the backup itself.
func (h HelmValues) Plan(ctx context.Context) (string, error) {
	_, err := host.Output(ctx, host.Command{
		Args: []string{"k3s", "kubectl", "get", "--raw", "/api/v1/secrets?labelSelector=owner%3Dhelm&limit=1"},
		Env:  []string{"KUBECONFIG=" + h.K3s.Kubeconfig},
	}, helmPlanLimit)
	if err != nil {
		return "", err
	}
	return h.Name + ": list the Helm releases of all namespaces through k3s kubectl", nil
}

const helmPlanLimit = 8 << 20 // bytes: one Secret with its JSON around it

func checkHelm(_ context.Context, f *os.File) (catalog.Contents, error) {
	z, err := gzip.NewReader(bufio.NewReader(f))
	if err != nil {
		return nil, fmt.Errorf("gzip: %w", err)
	}
	found, err := helmrelease.ReadTar(z)
	if err != nil {
		return nil, err
	}
	return helmContents(found), nil
}

func helmContents(c helmrelease.Contents) catalog.Contents {
	contents := catalog.Contents{"releases": int64(c.Count()), "revisions": int64(c.Revisions)}
	for release, revision := range c.Releases {
		contents["release "+release] = int64(revision)
	}
	return contents
}

// HelmReleaseValues gives the values of one release, "namespace/name", from a
// decrypted dump.
func HelmReleaseValues(f io.Reader, release string) ([]byte, error) {
	namespace, name, ok := strings.Cut(release, "/")
	if !ok {
		return nil, fmt.Errorf("release %q: it must be namespace/name", release)
	}
	z, err := gzip.NewReader(bufio.NewReader(f))
	if err != nil {
		return nil, fmt.Errorf("gzip: %w", err)
	}
	return helmrelease.Values(z, namespace, name, 0)
}
