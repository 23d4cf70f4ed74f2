package drill

import (
	"strings"
	"testing"

	"github.com/railiance/railiance/tools/internal/catalog"
)

func TestCountBuiltin(t *testing.T) {
	a, asked := serve(t, map[string]any{
		"/api/v1/namespaces":                   objects(5, ""),
		"/api/v1/secrets":                      objects(2, ""),
		"/apis/apps/v1/statefulsets":           objects(2, ""),
		"/apis/batch/v1/cronjobs":              objects(4, ""),
		"/api/v1/persistentvolumes":            objects(3, ""),
		"/apis/networking.k8s.io/v1/ingresses": `{"kind":"Status"}`,
	})
	req := &request{Saved: catalog.Contents{
		"registry/namespaces": 4, "registry/secrets": 3, "registry/statefulsets": 2,
		"registry/cronjobs": 3, "registry/persistentvolumes": 3, "registry/ingress": 1, "registry/deployments": 0,
		"registry/events": 900, "registry/jobs": 1,
	}}
	got := map[string]Check{}
	for _, c := range collect(t, func(r *reporter) error { return countBuiltin(t.Context(), a, req, r) }) {
		got[c.What] = c
	}
	for what, want := range map[string]struct{ verdict, saved, found string }{
		"namespaces":        {verdict: "ok, 1 of the control plane's own"},
		"secrets":           {verdict: "1 of 3 are missing"},
		"statefulsets":      {verdict: "ok"},
		"cronjobs":          {verdict: "1 more than were saved"},
		"persistentvolumes": {verdict: "ok"},
		"ingress":           {verdict: "list: it has no items"},
		"jobs":              {verdict: "NotFound"},
	} {
		c := got[what]
		if !strings.Contains(c.Verdict, want.verdict) || (c.Err == nil) != strings.HasPrefix(c.Verdict, OK) {
			t.Errorf("%s: want %q, got %q, %v", what, want.verdict, c.Verdict, c.Err)
		}
	}
	if len(got) != 7 {
		t.Errorf("asked for %d kinds: %v (%s)", len(got), got, asked)
	}
}

func crd(group, plural string, versions ...map[string]any) map[string]any {
	return map[string]any{"spec": map[string]any{
		"group": group, "names": map[string]any{"plural": plural}, "versions": versions,
		"conversion": map[string]any{"strategy": "None"},
	}}
}

func version(name string, served, storage bool) map[string]any {
	return map[string]any{"name": name, "served": served, "storage": storage}
}

func TestCountCustom(t *testing.T) {
	webhook := crd("example.org", "hooks", version("v1", true, true))
	webhook["spec"].(map[string]any)["conversion"] = map[string]any{"strategy": "Webhook"}
	a, asked := serve(t, map[string]any{
		"/apis/apiextensions.k8s.io/v1/customresourcedefinitions": map[string]any{"items": []any{
			crd("example.org", "plans", version("v1alpha1", true, false), version("v1", true, true)),
			crd("example.org", "lost", version("v1", true, true)),
			crd("example.org", "old", version("v1", false, true), version("v2", true, false)),
			crd("example.org", "more", version("v1", true, true)),
			crd("example.org", "gone", version("v1", true, true)),
			crd("example.org", "unserved", version("v1", false, true)),
			crd("example.org/../../api", "secrets", version("v1", true, true)),
			crd("k3s.cattle.io", "addons", version("v1", true, true)),
			crd("k3s.cattle.io", "etcdsnapshotfiles", version("v1", true, true)),
			webhook,
		}},
		"/apis/example.org/v1/plans":    objects(3, ""),
		"/apis/example.org/v1/lost":     objects(1, ""),
		"/apis/example.org/v2/old":      objects(1, ""),
		"/apis/example.org/v1/more":     objects(2, ""),
		"/apis/k3s.cattle.io/v1/addons": objects(9, ""),
	})
	req := &request{Saved: catalog.Contents{
		"registry/example.org/plans": 3, "registry/example.org/lost": 2, "registry/example.org/old": 1,
		"registry/example.org/more": 1, "registry/example.org/gone": 1, "registry/example.org/unserved": 1,
		"registry/example.org/hooks": 4, "registry/k3s.cattle.io/addons": 7, "registry/k3s.cattle.io/etcdsnapshotfiles": 5,
		"registry/orphans.example.org/x": 2, "registry/services/specs": 3, "registry/apiregistration.k8s.io/apiservices": 20,
		"keys": 50,
	}}
	want := map[string]string{
		"example.org/plans":             "ok",
		"example.org/lost":              "1 of 2 are missing",
		"example.org/old":               "ok",
		"example.org/more":              "1 more than were saved",
		"example.org/gone":              "NotFound",
		"example.org/unserved":          "its definition names no version that is served",
		"example.org/../../api/secrets": "its definition names no version that is served",
		"k3s.cattle.io/addons":          "ok, 2 of the control plane's own",
		"example.org/hooks":             "ok, in the datastore; only the workload that converts them can serve them",
		"orphans.example.org/x":         "ok, in the datastore; no definition serves them",
	}
	checks := collect(t, func(r *reporter) error { return countCustom(t.Context(), a, req, r) })
	for _, c := range checks {
		if w, there := want[c.What]; !there || !strings.Contains(c.Verdict, w) || (c.Err == nil) != strings.HasPrefix(w, OK) {
			t.Errorf("%s: want %q, got %q, %v", c.What, w, c.Verdict, c.Err)
		}
	}
	if len(checks) != len(want) {
		t.Errorf("%d checks, not %d (%s)", len(checks), len(want), asked)
	}
}
