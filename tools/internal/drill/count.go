package drill

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/railiance/railiance/tools/internal/registry"
)

// object is as much of one as counting needs.
type object struct{}

func countBuiltin(ctx context.Context, a api, req *request, r *reporter) error {
	for _, res := range registry.Served() {
		saved := req.Saved[res.Key]
		if saved == 0 {
			continue
		}
		if err := r.add(count(ctx, a, res, saved)); err != nil {
			return err
		}
	}
	return nil
}

// count asks for all objects of a resource and compares their number.
func count(ctx context.Context, a api, res registry.Resource, saved int64) Check {
	what := strings.TrimPrefix(res.Key, "registry/")
	found := int64(0)
	err := each(ctx, a, res.Path, func(object) error {
		found++
		return nil
	})
	if err != nil {
		return bad("count", what, err)
	}
	c := good("count", what)
	switch {
	case found < saved:
		c = bad("count", what, fmt.Errorf("%d of %d are missing", saved-found, saved))
	case found > saved && !res.Grows:
		c = bad("count", what, fmt.Errorf("%d more than were saved", found-saved))
	case found > saved:
		c.Verdict = fmt.Sprintf("ok, %d of the control plane's own", found-saved)
	}
	c.Saved, c.Found = &saved, &found
	return c
}

// definition is a CustomResourceDefinition.
type definition struct {
	Spec struct {
		Group    string
		Names    struct{ Plural string }
		Versions []struct {
			Name            string
			Served, Storage bool
		}
		Conversion struct{ Strategy string }
	}
}

// countCustom counts the custom resources of every definition.
func countCustom(ctx context.Context, a api, req *request, r *reporter) error {
	var defined []definition
	err := each(ctx, a, "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", func(d definition) error {
		defined = append(defined, d)
		return nil
	})
	if err != nil {
		return r.add(bad("count", "custom resources", err))
	}
	known := map[string]bool{registry.Definitions: true, "registry/apiregistration.k8s.io/apiservices": true}
	for _, d := range defined {
		key := "registry/" + d.Spec.Group + "/" + d.Spec.Names.Plural
		known[key] = true
		if key == registry.SnapshotFiles {
			continue
		}
		if err := r.add(d.count(ctx, a, key, req.Saved[key])); err != nil {
			return err
		}
	}
	// Objects that outlived their definition are served neither here nor where
	// they were saved.
	for _, key := range slices.Sorted(maps.Keys(req.Saved)) {
		group, _, third := strings.Cut(strings.TrimPrefix(key, "registry/"), "/")
		if !third || !strings.Contains(group, ".") || known[key] || !strings.HasPrefix(key, "registry/") {
			continue
		}
		c := good("count", strings.TrimPrefix(key, "registry/"))
		saved := req.Saved[key]
		c.Saved, c.Verdict = &saved, "ok, in the datastore; no definition serves them"
		if err := r.add(c); err != nil {
			return err
		}
	}
	return nil
}

var apiName = regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$`)

func (d definition) count(ctx context.Context, a api, key string, saved int64) Check {
	what := strings.TrimPrefix(key, "registry/")
	version := ""
	for _, v := range d.Spec.Versions {
		if v.Served && (v.Storage || version == "") {
			version = v.Name
		}
	}
	for _, name := range []string{d.Spec.Group, version, d.Spec.Names.Plural} {
		if !apiName.MatchString(name) {
			return bad("count", what, errors.New("its definition names no version that is served"))
		}
	}
	res := registry.Resource{
		Key: key, Path: "/apis/" + d.Spec.Group + "/" + version + "/" + d.Spec.Names.Plural,
		Grows: strings.HasSuffix(d.Spec.Group, ".cattle.io"), // k3s's own
	}
	c := count(ctx, a, res, saved)
	if c.Found == nil && d.Spec.Conversion.Strategy == "Webhook" {
		// The program that converts them is a workload, and none runs here.
		c = good("count", what)
		c.Saved, c.Verdict = &saved, "ok, in the datastore; only the workload that converts them can serve them"
	}
	return c
}
