package drill

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/railiance/railiance/tools/internal/catalog"
	"github.com/railiance/railiance/tools/internal/helmrelease"
	"github.com/railiance/railiance/tools/internal/host"
	"github.com/railiance/railiance/tools/internal/kubeconfig"
)

// secret is as much of one as tells that it was decrypted: the API server
// serves a Secret whole or not at all.
type secret struct {
	Metadata struct{ Namespace, Name string }
	Type     string
	Data     map[string]size
}

// size is the length of a text that is not to be kept.
type size int

func (s *size) UnmarshalJSON(b []byte) error {
	*s = size(len(b))
	return nil
}

// readSecrets reads every Secret through the API: with a wrong encryption key
// everything else can look well.
func readSecrets(ctx context.Context, a api, req *request, r *reporter) error {
	namespaces := map[string]int{}
	err := each(ctx, a, "/api/v1/secrets", func(s secret) error {
		if s.Type == "" {
			return fmt.Errorf("%s/%s: it was read as something that is no Secret", s.Metadata.Namespace, s.Metadata.Name)
		}
		namespaces[s.Metadata.Namespace]++
		return nil
	})
	if err != nil {
		return r.add(bad("read", "secrets", err))
	}
	c := good("read", "secrets")
	c.Verdict = fmt.Sprintf("ok, in %d namespaces", len(namespaces))
	return r.add(c)
}

// compareReleases lists the Helm releases as a backup does, and holds them
// against the helm artifact.
func compareReleases(ctx context.Context, a api, req *request, r *reporter) error {
	for _, name := range slices.Sorted(maps.Keys(req.Helm)) {
		if err := r.add(releases(ctx, a, name, req.Helm[name])); err != nil {
			return err
		}
	}
	return nil
}

func releases(ctx context.Context, a api, name string, saved catalog.Contents) Check {
	archive := helmrelease.NewArchive(io.Discard)
	get := func(path string, use func(io.Reader) error) error { return a.get(ctx, path, use) }
	if err := helmrelease.List(get, archive.Add); err != nil {
		return bad("helm", name, err)
	}
	got, err := archive.Close()
	if err != nil {
		return bad("helm", name, err)
	}
	found, want := int64(got.Count()), saved["releases"]
	var wrong []string
	for release, revision := range got.Releases {
		if n := saved["release "+release]; n != int64(revision) {
			wrong = append(wrong, fmt.Sprintf("%s: revision %d, not %d", release, revision, n))
		}
	}
	for key := range saved {
		if release, ok := strings.CutPrefix(key, "release "); ok && got.Releases[release] == 0 {
			wrong = append(wrong, release+": missing")
		}
	}
	slices.Sort(wrong)
	c := good("helm", name)
	if len(wrong) > 0 {
		more := ""
		if len(wrong) > 5 {
			wrong, more = wrong[:5], ", …"
		}
		c = bad("helm", name, fmt.Errorf("datastore and artifact differ (did a release change while the backup ran? then make another): %s%s",
			strings.Join(wrong, ", "), more))
	}
	c.Saved, c.Found = &want, &found
	return c
}

// tryKubeconfigs calls the restored server with the kubeconfigs that were
// saved: they are what people have in their hands after a restore.
func tryKubeconfigs(ctx context.Context, a api, req *request, r *reporter) error {
	for _, name := range slices.Sorted(maps.Keys(req.Kubeconfigs)) {
		c := good("kubeconfig", name)
		if err := tryKubeconfig(ctx, a, req.Kubeconfigs[name]); errors.Is(err, errRunsProgram) {
			c.Verdict = "ok, not tried: " + err.Error()
		} else if err != nil {
			c = bad("kubeconfig", name, err)
		}
		if err := r.add(c); err != nil {
			return err
		}
	}
	return nil
}

var errRunsProgram = errors.New("it runs a program to log in")

func tryKubeconfig(ctx context.Context, a api, b []byte) error {
	config, err := kubeconfig.Parse(b)
	if err != nil {
		return err
	}
	// The server says Unauthorized to all of these; the file tells which it is.
	var reasons []error
	for _, f := range config.Findings(time.Now(), 0) {
		switch {
		case f.Check == "exec":
			return errRunsProgram
		case f.Severity == kubeconfig.Error:
			reasons = append(reasons, errors.New(f.String()))
		}
	}
	there, err := kubeconfig.Retarget(b, serverURL)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(a.tmp, "kubeconfig-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(there)
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	err = host.Run(ctx, host.Command{
		Args: []string{"k3s", "kubectl", "--kubeconfig", f.Name(), "get", "--raw", "/api/v1/namespaces"},
		Env:  a.env, Bare: true,
	})
	if err != nil {
		return errors.Join(append(reasons, err)...)
	}
	return nil
}
