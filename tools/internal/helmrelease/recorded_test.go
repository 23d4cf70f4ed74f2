package helmrelease

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"gopkg.in/yaml.v3"
)

// recorded gives what a real program said; a file that is kept compressed is
// unpacked.
func recorded(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err == nil {
		return b
	}
	b, err = os.ReadFile(filepath.Join("testdata", name+".zst"))
	if err != nil {
		t.Fatal(err)
	}
	d, err := zstd.NewReader(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if b, err = d.DecodeAll(b, nil); err != nil {
		t.Fatal(err)
	}
	return b
}

func fromJSON[T any](t testing.TB, b []byte) T {
	t.Helper()
	var v T
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// expected is what the real Helm printed of each release.
type expected struct {
	Pages []struct {
		Items    int
		Metadata struct{ Continue string }
	}
	Secrets []struct {
		Namespace, Secret string
		Decodes           bool
		DecodedBytes      int `json:"decoded_json_bytes"`
	}
	Releases map[string]struct {
		Namespace, Name string
		Revisions       []int
		Helm            struct {
			RC     int
			Values any
			Bytes  int `json:"values_yaml_bytes"`
		}
	}
}

// collect reads one list into memory.
func collect(t testing.TB, list []byte) (releases []*Release, problems []*Problem, next string) {
	t.Helper()
	next, err := Read(bytes.NewReader(list), func(i Item) error {
		if i.Release != nil {
			releases = append(releases, i.Release)
		} else {
			problems = append(problems, i.Problem)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return releases, problems, next
}

// newest is the highest revision of each release, by namespace/name.
func newest(releases []*Release) map[string]*Release {
	m := map[string]*Release{}
	for _, r := range releases {
		key := r.Namespace + "/" + r.Name
		if m[key] == nil || m[key].Revision < r.Revision {
			m[key] = r
		}
	}
	return m
}

func TestValuesAreHelms(t *testing.T) {
	want := fromJSON[expected](t, recorded(t, "expected.json"))
	releases, problems, _ := collect(t, recorded(t, "secrets-owner-helm.json"))
	latest := newest(releases)

	failed := map[string]bool{}
	for _, p := range problems {
		if !errors.Is(p.Err, ErrNotRelease) {
			failed[p.Namespace+"/"+p.Object] = true
		}
	}
	for key, w := range want.Releases {
		t.Run(key, func(t *testing.T) {
			r := latest[key]
			if w.Helm.RC != 0 {
				if !failed[w.Namespace+"/sh.helm.release.v1."+w.Name+".v1"] || r != nil {
					t.Errorf("Helm cannot read it, and it is not among the problems: %v", problems)
				}
				return
			}
			if r == nil {
				t.Fatal("missing")
			}
			got, err := r.ValuesYAML()
			if err != nil {
				t.Fatal(err)
			}
			helm := w.Helm.Values
			if w.Helm.Bytes > 0 {
				text := recorded(t, "helm-get-values."+w.Namespace+"."+w.Name+".yaml")
				if len(text) != w.Helm.Bytes {
					t.Fatalf("the recording has %d bytes, not %d", len(text), w.Helm.Bytes)
				}
				helm = fromYAML(t, text)
			}
			// Through JSON, for one type of number on both sides.
			if a, b := canonical(t, fromYAML(t, got)), canonical(t, helm); a != b {
				t.Errorf("values differ from Helm's:\n got %.300s\nwant %.300s", a, b)
			}
			if helm == nil && string(got) != "null\n" {
				t.Errorf("no values: got %q", got)
			}
		})
	}
	if len(latest)+len(failed) != len(want.Releases) || len(failed) != 5 {
		t.Errorf("%d releases and %d failed, want %d in all", len(latest), len(failed), len(want.Releases))
	}
}

func fromYAML(t testing.TB, b []byte) any {
	t.Helper()
	var v any
	if err := yaml.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func canonical(t testing.TB, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestEverySecretIsAccountedFor(t *testing.T) {
	want := fromJSON[expected](t, recorded(t, "expected.json"))
	releases, problems, next := collect(t, recorded(t, "secrets-owner-helm.json"))
	if next != "" {
		t.Errorf("a whole list has a next page %q", next)
	}
	size := map[string]int{}
	for _, r := range releases {
		size[r.Namespace+"/"+r.Object] = len(r.Record)
	}
	for _, p := range problems {
		size[p.Namespace+"/"+p.Object] = 0
	}
	for _, w := range want.Secrets {
		got, ok := size[w.Namespace+"/"+w.Secret]
		if !ok || got != w.DecodedBytes || w.Decodes != (got > 0) {
			t.Errorf("%s/%s: %d bytes (seen: %v), want %d", w.Namespace, w.Secret, got, ok, w.DecodedBytes)
		}
	}
	if len(size) != len(want.Secrets) {
		t.Errorf("%d objects, want %d", len(size), len(want.Secrets))
	}
}

func TestProblemsAreNamed(t *testing.T) {
	_, problems, _ := collect(t, recorded(t, "secrets-owner-helm.json"))
	var got []string
	for _, p := range problems {
		got = append(got, p.Error())
	}
	want := []string{
		"apps/sh.helm.release.v1.corrupt-empty.v1: the payload is empty",
		"apps/sh.helm.release.v1.corrupt-garbage.v1: base64: illegal base64 data at input byte 0",
		"apps/sh.helm.release.v1.corrupt-no-key.v1: it has no key named release",
		"apps/sh.helm.release.v1.corrupt-not-json.v1: json: broken at byte 2",
		"apps/sh.helm.release.v1.corrupt-truncated.v1: gzip: unexpected EOF",
		"apps/sh.helm.release.v1.lookalike.v1: labelled owner=helm but not a release record",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestMetadataIsHelms(t *testing.T) {
	releases, _, _ := collect(t, recorded(t, "secrets-owner-helm.json"))
	latest := newest(releases)
	type helmsOwn struct {
		Name, Chart, Version, AppVersion, Namespace, Status, ApplyMethod string
		Labels                                                           map[string]string
		Revision                                                         int
		DeployedAt                                                       string
	}
	want := fromJSON[map[string]helmsOwn](t, recorded(t, "helm-get-metadata.json"))
	if len(want) < 10 {
		t.Fatalf("only %d recorded", len(want))
	}
	for key, w := range want {
		r := latest[key]
		if r == nil {
			t.Errorf("%s: missing", key)
			continue
		}
		got := helmsOwn{Name: r.Name, Chart: r.Chart, Version: r.ChartVersion, AppVersion: r.AppVersion,
			Namespace: r.Namespace, Status: r.Status, ApplyMethod: r.ApplyMethod, Labels: r.Labels,
			Revision: r.Revision, DeployedAt: r.LastDeployed.Format("2006-01-02T15:04:05Z")}
		if !reflect.DeepEqual(got, w) {
			t.Errorf("%s:\n got %+v\nwant %+v", key, got, w)
		}
	}
}

func TestConfigMapDriver(t *testing.T) {
	releases, problems, _ := collect(t, recorded(t, "configmaps-owner-helm.json"))
	if len(problems) > 0 || len(releases) != 1 {
		t.Fatalf("%d releases, problems %v", len(releases), problems)
	}
	got, err := releases[0].ValuesYAML()
	if err != nil {
		t.Fatal(err)
	}
	if want := "greeting: stored-as-configmap\n"; string(got) != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestPages(t *testing.T) {
	want := fromJSON[expected](t, recorded(t, "expected.json")).Pages
	pages := [][]byte{recorded(t, "secrets-owner-helm.page1.json"), recorded(t, "secrets-owner-helm.page2.json")}
	for i, page := range pages {
		releases, problems, next := collect(t, page)
		if n := len(releases) + len(problems); n != want[i].Items || next != want[i].Metadata.Continue {
			t.Errorf("page %d: %d objects and next %q, want %d and %q", i+1, n, next, want[i].Items, want[i].Metadata.Continue)
		}
	}

	whole, _, _ := collect(t, recorded(t, "secrets-owner-helm.json"))
	var asked, got []string
	err := List(func(path string, use func(io.Reader) error) error {
		asked = append(asked, path)
		body := recorded(t, "configmaps-owner-helm.json")
		if strings.HasPrefix(path, "/api/v1/secrets?") {
			body = pages[len(asked)-1]
		}
		return use(bytes.NewReader(body))
	}, func(i Item) error {
		if i.Release != nil {
			got = append(got, i.Release.Object)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != len(whole)+1 {
		t.Errorf("%d releases by pages, want %d", len(got), len(whole)+1)
	}
	if wantAsked := []string{
		"/api/v1/secrets?labelSelector=owner%3Dhelm&limit=100",
		"/api/v1/secrets?continue=" + want[0].Metadata.Continue + "&labelSelector=owner%3Dhelm&limit=100",
		"/api/v1/configmaps?labelSelector=owner%3Dhelm&limit=100",
	}; !slices.Equal(asked, wantAsked) {
		t.Errorf("asked for\n%s\nwant\n%s", strings.Join(asked, "\n"), strings.Join(wantAsked, "\n"))
	}
}

// kubectl's -o json sorts the keys: the kind of the list comes behind the
// items, and each item names its own.
func TestListAsKubectlPrintsIt(t *testing.T) {
	raw := fromJSON[map[string]any](t, recorded(t, "secrets-owner-helm.json"))
	for _, item := range raw["items"].([]any) {
		item.(map[string]any)["kind"] = "Secret"
		item.(map[string]any)["apiVersion"] = "v1"
	}
	configMap := fromJSON[map[string]any](t, recorded(t, "configmaps-owner-helm.json"))["items"].([]any)[0].(map[string]any)
	configMap["kind"] = "ConfigMap"
	list := canonical(t, map[string]any{"apiVersion": "v1", "kind": "List", "items": append(raw["items"].([]any), configMap), "metadata": map[string]any{"resourceVersion": ""}})

	direct, _, _ := collect(t, recorded(t, "secrets-owner-helm.json"))
	releases, problems, _ := collect(t, []byte(list))
	if len(releases) != len(direct)+1 || len(problems) != 6 {
		t.Errorf("%d releases and %d problems", len(releases), len(problems))
	}
}

// over256 is a list with 300 more releases, made as the recording's were: real
// records under other names.
func over256(t testing.TB) []byte {
	t.Helper()
	raw := fromJSON[map[string]any](t, recorded(t, "secrets-owner-helm.json"))
	releases, _, _ := collect(t, recorded(t, "secrets-owner-helm.json"))
	record := fromJSON[map[string]any](t, newest(releases)["media/plain"].Record)
	items := raw["items"].([]any)
	for i := range 300 {
		record["namespace"], record["name"] = "many", fmt.Sprintf("rel%03d", i)
		items = append(items, secret(t, "many", record["name"].(string), 1, []byte(canonical(t, record))))
	}
	raw["items"] = items
	return []byte(canonical(t, raw))
}

func TestMoreThan256(t *testing.T) {
	type line struct{ Namespace, Name, Revision, Status string }
	var want, got []line
	want = fromJSON[[]line](t, recorded(t, "helm-list-over256.json"))
	releases, _, _ := collect(t, over256(t))
	for _, r := range newest(releases) {
		got = append(got, line{r.Namespace, r.Name, strconv.Itoa(r.Revision), r.Status})
	}
	compare := func(a, b line) int { return strings.Compare(a.Namespace+"/"+a.Name, b.Namespace+"/"+b.Name) }
	slices.SortFunc(want, compare)
	slices.SortFunc(got, compare)
	if len(got) != 312 || !slices.Equal(got, want) {
		t.Errorf("%d releases, want the 312 that helm list -m 0 shows:\n%v\n%v", len(got), got, want)
	}
}

// secret is a Secret as Helm writes it, of the given record.
func secret(t testing.TB, namespace, name string, revision int, record []byte) map[string]any {
	t.Helper()
	return map[string]any{
		"type": secretType,
		"metadata": map[string]any{
			"namespace": namespace,
			"name":      objectPrefix + name + ".v" + strconv.Itoa(revision),
			"labels":    map[string]string{"owner": "helm", "name": name, "version": strconv.Itoa(revision)},
		},
		"data": map[string]string{"release": payload(t, record)},
	}
}

// payload is a record as it stands in a Secret's JSON.
func payload(t testing.TB, record []byte) string {
	t.Helper()
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestSpeed)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := z.Write(record); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	enc := base64.StdEncoding
	return enc.EncodeToString([]byte(enc.EncodeToString(b.Bytes())))
}

// release is a small record.
func release(namespace, name string, revision int, status, config string) []byte {
	return fmt.Appendf(nil, `{"name":%q,"namespace":%q,"version":%d,"info":{"status":%q,"last_deployed":"2026-11-21T17:00:00Z"},`+
		`"chart":{"metadata":{"name":"c","version":"1.0.0","home":"https://example.org","sources":["https://example.org/src"],`+
		`"dependencies":[{"name":"db","version":"2","repository":"oci://example.org/charts"}]}},"config":%s,"manifest":"m"}`,
		name, namespace, revision, status, config)
}

// secretList is an API answer with the given objects.
func secretList(t testing.TB, items ...any) []byte {
	t.Helper()
	return []byte(canonical(t, struct {
		Kind     string         `json:"kind"`
		Metadata map[string]any `json:"metadata"`
		Items    []any          `json:"items"`
	}{"SecretList", map[string]any{}, items}))
}

func sortedKeys(m map[string]int) []string { return slices.Sorted(maps.Keys(m)) }
