package drill

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/railiance/railiance/tools/internal/catalog"
)

func TestReadSecrets(t *testing.T) {
	whole := map[string]any{"items": []any{
		map[string]any{"type": "Opaque", "metadata": map[string]any{"namespace": "a", "name": "x"}, "data": map[string]any{"k": "c2VjcmV0"}},
		map[string]any{"type": "Opaque", "metadata": map[string]any{"namespace": "b", "name": "x"}},
	}}
	for name, tt := range map[string]struct {
		answer any
		want   string
	}{
		"whole":    {whole, "ok, in 2 namespaces"},
		"empty":    {objects(0, ""), "ok, in 0 namespaces"},
		"no types": {objects(1, ""), "no Secret"},
		"torn":     {`{"items":[{"type":"Opaque"`, "EOF"},
	} {
		a, _ := serve(t, map[string]any{"/api/v1/secrets": tt.answer})
		checks := collect(t, func(r *reporter) error { return readSecrets(t.Context(), a, &request{}, r) })
		if len(checks) != 1 || !strings.Contains(checks[0].Verdict, tt.want) || (checks[0].Err == nil) != strings.HasPrefix(tt.want, OK) {
			t.Errorf("%s: want %q, got %+v", name, tt.want, checks)
		}
		if strings.Contains(fmt.Sprint(checks), "c2VjcmV0") {
			t.Errorf("%s: a secret is shown: %v", name, checks)
		}
	}
}

// record is a release as Helm stores it.
func record(t *testing.T, namespace, name string, revision int) map[string]any {
	t.Helper()
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	fmt.Fprintf(z, `{"name":%q,"namespace":%q,"version":%d,"info":{"status":"deployed"},"chart":{"metadata":{"name":"tiny","version":"0.1.0"}},"manifest":""}`, name, namespace, revision)
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	data := base64.StdEncoding.EncodeToString([]byte(base64.StdEncoding.EncodeToString(zipped.Bytes())))
	return map[string]any{
		"kind": "Secret", "apiVersion": "v1", "type": "helm.sh/release.v1",
		"metadata": map[string]any{
			"name": fmt.Sprintf("sh.helm.release.v1.%s.v%d", name, revision), "namespace": namespace,
			"labels": map[string]any{"owner": "helm", "name": name, "version": fmt.Sprint(revision), "status": "deployed"},
		},
		"data": map[string]any{"release": data},
	}
}

func TestCompareReleases(t *testing.T) {
	a, _ := serve(t, map[string]any{
		"/api/v1/secrets": map[string]any{"kind": "SecretList", "apiVersion": "v1", "metadata": map[string]any{},
			"items": []any{record(t, "media", "web", 1), record(t, "media", "web", 2), record(t, "apps", "web", 1)}},
		"/api/v1/configmaps": map[string]any{"kind": "ConfigMapList", "apiVersion": "v1", "metadata": map[string]any{}, "items": []any{}},
	})
	for name, tt := range map[string]struct {
		saved catalog.Contents
		want  string
	}{
		"equal":   {catalog.Contents{"releases": 2, "revisions": 3, "release media/web": 2, "release apps/web": 1}, "ok"},
		"missing": {catalog.Contents{"releases": 3, "release media/web": 2, "release apps/web": 1, "release apps/gone": 4}, "apps/gone: missing"},
		"newer":   {catalog.Contents{"releases": 2, "release media/web": 3, "release apps/web": 1}, "media/web: revision 2, not 3"},
		"extra":   {catalog.Contents{"releases": 1, "release media/web": 2}, "apps/web: revision 1, not 0"},
	} {
		req := &request{Helm: map[string]catalog.Contents{"helm-values": tt.saved}}
		checks := collect(t, func(r *reporter) error { return compareReleases(t.Context(), a, req, r) })
		if len(checks) != 1 || !strings.Contains(checks[0].Verdict, tt.want) || (checks[0].Err == nil) != (tt.want == OK) {
			t.Errorf("%s: want %q, got %+v", name, tt.want, checks)
		}
	}
}

func TestTryKubeconfigs(t *testing.T) {
	config := func(user string) []byte {
		return []byte("apiVersion: v1\nkind: Config\ncurrent-context: c\n" +
			"clusters: [{name: k, cluster: {server: 'https://198.51.100.7:6443', insecure-skip-tls-verify: true}}]\n" +
			"contexts: [{name: c, context: {cluster: k, user: u}}]\nusers: [{name: u, user: {" + user + "}}]\n")
	}
	a, asked := serve(t, map[string]any{"/api/v1/namespaces": objects(1, "")})
	req := &request{Kubeconfigs: map[string][]byte{
		"good":    config("token: " + "abc"),
		"program": config("exec: {apiVersion: client.authentication.k8s.io/v1, command: /bin/false, interactiveMode: Never}"),
		"broken":  []byte("kind: Config"),
	}}
	want := map[string]string{"good": "ok", "program": "ok, not tried: it runs a program", "broken": "kubeconfig"}
	checks := collect(t, func(r *reporter) error { return tryKubeconfigs(t.Context(), a, req, r) })
	for _, c := range checks {
		if !strings.Contains(c.Verdict, want[c.What]) || (c.Err == nil) != strings.HasPrefix(want[c.What], OK) {
			t.Errorf("%s: want %q, got %q", c.What, want[c.What], c.Verdict)
		}
	}
	calls, err := os.ReadFile(asked)
	if err != nil || strings.Count(string(calls), "--kubeconfig") != 1 || len(checks) != 3 {
		t.Errorf("%d checks, calls:\n%s%v", len(checks), calls, err)
	}
	if left, err := os.ReadDir(a.tmp); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}

	refused, _ := serve(t, nil)
	req.Kubeconfigs = map[string][]byte{"good": config("token: abc")}
	checks = collect(t, func(r *reporter) error { return tryKubeconfigs(t.Context(), refused, req, r) })
	if len(checks) != 1 || checks[0].Err == nil {
		t.Errorf("a server that refuses it: %+v", checks)
	}
}
