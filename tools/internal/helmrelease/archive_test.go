package helmrelease

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/railiance/railiance/tools/internal/mustrun"
)

// pack makes a tar of the given lists.
func pack(t testing.TB, lists ...[]byte) ([]byte, Contents) {
	t.Helper()
	var out bytes.Buffer
	a := NewArchive(&out)
	for _, list := range lists {
		if _, err := Read(bytes.NewReader(list), a.Add); err != nil {
			t.Fatal(err)
		}
	}
	c, err := a.Close()
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes(), c
}

func TestArchiveOfRecorded(t *testing.T) {
	text, c := pack(t, recorded(t, "secrets-owner-helm.json"), recorded(t, "configmaps-owner-helm.json"))
	if c.Count() != 13 || c.Revisions != 18 || len(c.Problems) != 5 || len(c.Ignored) != 1 {
		t.Errorf("contents %+v", c)
	}
	want := []string{"apps/bad-install", "apps/cmdriver@configmap", "apps/four", "apps/gone", "apps/uncompressed",
		"apps/upg-failed", "apps/web", "media/big", "media/navidrome", "media/plain", "media/stuck",
		"media/stuck-upgrade", "media/web"}
	if got := sortedKeys(c.Releases); !slices.Equal(got, want) {
		t.Errorf("releases %q, want %q", got, want)
	}
	if c.Releases["media/navidrome"] != 3 || c.Releases["apps/upg-failed"] != 2 {
		t.Errorf("newest revisions %v", c.Releases)
	}
	read, err := ReadTar(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if a, b := canonical(t, read), canonical(t, c); a != b {
		t.Errorf("read back\n%s\nwritten\n%s", a, b)
	}
}

// One tar for one state of the cluster, byte by byte.
func TestArchiveIsTheSameTwice(t *testing.T) {
	a, _ := pack(t, recorded(t, "secrets-owner-helm.json"))
	b, _ := pack(t, recorded(t, "secrets-owner-helm.json"))
	if !bytes.Equal(a, b) {
		t.Error("two tars of the same list differ")
	}
}

// By hand, with the tar of the machine: what the restore guide tells to do.
func TestStockTarUnpacks(t *testing.T) {
	program := mustrun.Command(t, "tar")
	text, _ := pack(t, recorded(t, "secrets-owner-helm.json"))
	dir := t.TempDir()
	cmd := exec.Command(program, "-xf", "-", "-C", dir)
	cmd.Stdin = bytes.NewReader(text)
	if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
		t.Fatalf("tar: %v: %s", err, out)
	}
	for name, want := range map[string]string{
		"apps/upg-failed/v1/values.yaml":   "greeting: good\n",
		"apps/upg-failed/v2/values.yaml":   "failHook: true\ngreeting: broken\n",
		"media/plain/v1/values.yaml":       "null\n",
		"media/web/v1/values.yaml":         "greeting: other-namespace-same-name\n",
		"apps/upg-failed/v2/metadata.json": "\"status\": \"failed\"",
		"apps/upg-failed/v2/release.json":  "\"version\":2",
		"releases.json":                    "\"newest\": 2,\n      \"deployed\": 1,",
	} {
		got, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Error(err)
		} else if !strings.Contains(string(got), want) {
			t.Errorf("%s: no %q in\n%.500s", name, want, got)
		}
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Error(err)
		} else if info.Mode().Perm() != 0o600 {
			t.Errorf("%s: mode %v", name, info.Mode())
		}
	}
}

func TestMetadataHasTheHints(t *testing.T) {
	releases, _, _ := collect(t, secretList(t, secret(t, "apps", "a", 1, release("apps", "a", 1, "deployed", "{}"))))
	b, err := releases[0].MetadataJSON()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"repository": "oci://example.org/charts"`, `"home": "https://example.org"`,
		`"https://example.org/src"`, `"lastDeployed": "2026-11-21T17:00:00Z"`} {
		if !strings.Contains(string(b), want) {
			t.Errorf("no %s in\n%s", want, b)
		}
	}
}

func TestValuesOfOne(t *testing.T) {
	text, _ := pack(t, recorded(t, "secrets-owner-helm.json"), recorded(t, "configmaps-owner-helm.json"))
	for _, tt := range []struct {
		namespace, name string
		revision        int
		want, wantErr   string
	}{
		{"apps", "upg-failed", 0, "failHook: true\ngreeting: broken\n", ""},
		{"apps", "upg-failed", 1, "greeting: good\n", ""},
		{"apps", "cmdriver@configmap", 0, "greeting: stored-as-configmap\n", ""},
		{"media", "plain", 0, "null\n", ""},
		{"apps", "upg-failed", 3, "", "release apps/upg-failed has no revision 3"},
		{"apps", "plain", 0, "", "release apps/plain is not in this archive"},
		{"apps", "corrupt-garbage", 0, "", "is not in this archive"},
		{"..", "plain", 0, "", "not a release's name"},
		{"apps", "", 0, "", "not a release's name"},
	} {
		got, err := Values(bytes.NewReader(text), tt.namespace, tt.name, tt.revision)
		if string(got) != tt.want || (err == nil) != (tt.wantErr == "") || err != nil && !strings.Contains(err.Error(), tt.wantErr) {
			t.Errorf("%s/%s %d: got %q, %v; want %q, %q", tt.namespace, tt.name, tt.revision, got, err, tt.want, tt.wantErr)
		}
	}
	// v10 is newer than v9, and comes before it in a list.
	var items []any
	for _, n := range []int{1, 10, 9} {
		items = append(items, secret(t, "apps", "a", n, release("apps", "a", n, "deployed", fmt.Sprintf(`{"rev":%d}`, n))))
	}
	text, c := pack(t, secretList(t, items...))
	if got, err := Values(bytes.NewReader(text), "apps", "a", 0); string(got) != "rev: 10\n" || c.Releases["apps/a"] != 10 {
		t.Errorf("got %q, %v, %v", got, err, c)
	}
}

// YAML takes no key of over 1024 bytes in the form that deep values are written
// in. Whatever cannot be read back costs its own release and no other.
func TestValuesThatDoNotReadBack(t *testing.T) {
	deep := strings.Repeat(`{"a":`, 100) + `{"` + strings.Repeat("k", 2000) + `":1}` + strings.Repeat("}", 100)
	text, c := pack(t, secretList(t,
		secret(t, "apps", "a", 1, release("apps", "a", 1, "deployed", deep)),
		secret(t, "apps", "b", 1, release("apps", "b", 1, "deployed", "{}"))))
	if len(c.Problems) != 1 || !strings.Contains(c.Problems[0], "apps/sh.helm.release.v1.a.v1: values.yaml") || c.Releases["apps/b"] != 1 {
		t.Errorf("contents %+v", c)
	}
	if _, err := ReadTar(bytes.NewReader(text)); err != nil {
		t.Error(err)
	}
}

func TestArchiveRefusesARevisionTwice(t *testing.T) {
	list := secretList(t, secret(t, "apps", "a", 1, release("apps", "a", 1, "deployed", "{}")))
	a := NewArchive(io.Discard)
	if _, err := Read(bytes.NewReader(list), a.Add); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(bytes.NewReader(list), a.Add); err == nil || !strings.Contains(err.Error(), "apps/a: revision 1 was given twice") {
		t.Errorf("error %v", err)
	}
}

type full struct{ left int }

var errFull = errors.New("no space left")

func (f *full) Write(p []byte) (int, error) {
	if f.left -= len(p); f.left < 0 {
		return 0, errFull
	}
	return len(p), nil
}

func TestFullDiskEndsTheArchive(t *testing.T) {
	list := recorded(t, "secrets-owner-helm.page1.json")
	whole, _ := pack(t, list)
	for n := 0; n < len(whole); n += 512 {
		a := NewArchive(&full{n})
		_, err := Read(bytes.NewReader(list), a.Add)
		if err == nil {
			_, err = a.Close()
		}
		if !errors.Is(err, errFull) {
			t.Fatalf("full after %d of %d bytes: error %v", n, len(whole), err)
		}
	}
}

// members gives the tar's members, to build a doctored one of.
type member struct {
	tar.Header
	data []byte
}

func members(t testing.TB, text []byte) []member {
	t.Helper()
	var all []member
	r := tar.NewReader(bytes.NewReader(text))
	for {
		h, err := r.Next()
		if err == io.EOF {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, member{*h, b})
	}
}

func rebuild(t testing.TB, all []member) []byte {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, m := range all {
		m.Size = int64(len(m.data))
		if err := w.WriteHeader(&m.Header); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(m.data); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestDoctoredTars(t *testing.T) {
	// Members 0-2 are a's, 3-5 b's, 6 is the index.
	good, _ := pack(t, secretList(t,
		secret(t, "apps", "a", 1, release("apps", "a", 1, "deployed", `{"k":"v","n":1}`)),
		secret(t, "apps", "b", 2, release("apps", "b", 2, "deployed", "null"))))
	if _, err := ReadTar(bytes.NewReader(rebuild(t, members(t, good)))); err != nil {
		t.Fatalf("rebuilt as it was: %v", err)
	}
	for _, tt := range []struct {
		name string
		with func([]member) []member
		want string
	}{
		{"no index", func(m []member) []member { return m[:6] }, "it ends without releases.json"},
		{"nothing", func([]member) []member { return nil }, "it ends without releases.json"},
		{"behind the index", func(m []member) []member { return append(m, m[0]) }, "follows releases.json"},
		{"a release less", func(m []member) []member { return slices.Delete(m, 0, 3) }, "lists 2 releases, the archive holds 1"},
		{"a file less", func(m []member) []member { return slices.Delete(m, 1, 2) }, `"apps/a/v1/release.json" stands where apps/a/v1/values.yaml belongs`},
		{"a release twice", func(m []member) []member { return slices.Insert(m, 3, m[:3]...) }, "given twice"},
		{"traversal", func(m []member) []member { m[0].Name = "../../etc/metadata.json"; return m }, "not a file of a release"},
		{"traversal inside", func(m []member) []member { m[0].Name = "apps/../v1/metadata.json"; return m }, "not a file of a release"},
		{"absolute", func(m []member) []member { m[0].Name = "/apps/a/v1/metadata.json"; return m }, "not a file of a release"},
		{"dot", func(m []member) []member { m[0].Name = "./apps/a/v1/metadata.json"; return m }, "not a file of a release"},
		{"other spelling", func(m []member) []member { m[0].Name = "apps/a/v01/metadata.json"; return m }, "not a file of a release"},
		{"first file of another name", func(m []member) []member { m[0].Name = "apps/a/v1/passwd"; return m }, "stands where"},
		{"link", func(m []member) []member {
			m[1].Typeflag, m[1].Linkname, m[1].data = tar.TypeSymlink, "/etc/shadow", nil
			return m
		}, "not a plain file"},
		{"folder", func(m []member) []member {
			return slices.Insert(m, 0, member{Header: tar.Header{Typeflag: tar.TypeDir, Name: "apps/"}})
		}, "not a plain file"},
		{"other values", func(m []member) []member { m[1].data = []byte("k: w\nn: 1\n"); return m }, "values are not those of the record"},
		{"number as text", func(m []member) []member { m[1].data = []byte("k: v\nn: \"1\"\n"); return m }, "values are not those of the record"},
		{"values less", func(m []member) []member { m[1].data = []byte("k: v\n"); return m }, "values are not those of the record"},
		{"key twice for one missing", func(m []member) []member { m[1].data = []byte("k: v\nk: v\n"); return m }, "values"},
		{"values by alias", func(m []member) []member { m[1].data = []byte("k: &a v\nn: 1\n"); return m }, "values are not those of the record"},
		{"two documents", func(m []member) []member { m[1].data = append(m[1].data, "---\nk: v\n"...); return m }, "more than one YAML document"},
		{"empty values", func(m []member) []member { m[4].data = nil; return m }, "not one YAML document"},
		{"some for null", func(m []member) []member { m[4].data = []byte("{}\n"); return m }, "values are not those of the record"},
		{"other status", func(m []member) []member {
			m[0].data = bytes.Replace(m[0].data, []byte("deployed\""), []byte("failed\""), 1)
			return m
		}, "does not agree"},
		{"record of another", func(m []member) []member { m[2].data = m[5].data; return m }, "release.json"},
		{"broken record", func(m []member) []member { m[2].data = m[2].data[:20]; return m }, "json: broken"},
		{"under another revision", func(m []member) []member {
			for i := range 3 {
				m[i].Name = strings.Replace(m[i].Name, "/v1/", "/v2/", 1)
			}
			return m
		}, "release.json: it is of another release"},
		{"too large", func(m []member) []member { m[0].data = make([]byte, maxObject+1); return m }, "over the limit"},
		{"other deployed", func(m []member) []member {
			m[6].data = bytes.Replace(m[6].data, []byte(`"deployed": 2`), []byte(`"deployed": 1`), 1)
			return m
		}, "apps/b is listed with other revisions"},
		{"other status in the index", func(m []member) []member {
			m[6].data = bytes.Replace(m[6].data, []byte(`"2": "deployed"`), []byte(`"2": "failed"`), 1)
			return m
		}, "apps/b is listed with other revisions"},
		{"broken index", func(m []member) []member { m[6].data = []byte("{"); return m }, "releases.json: json"},
		{"newer index", func(m []member) []member {
			m[6].data = bytes.Replace(m[6].data, []byte(`"format": 1`), []byte(`"format": 2`), 1)
			return m
		}, "a newer program wrote it"},
		{"other newest", func(m []member) []member {
			m[6].data = bytes.Replace(m[6].data, []byte(`"newest": 2`), []byte(`"newest": 1`), 1)
			return m
		}, "apps/b is listed with other revisions"},
		{"other release in the index", func(m []member) []member {
			m[6].data = bytes.Replace(m[6].data, []byte(`"apps/b"`), []byte(`"apps/c"`), 1)
			return m
		}, "apps/b is not listed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			text := rebuild(t, tt.with(members(t, good)))
			if bytes.Equal(text, good) {
				t.Fatal("nothing was doctored")
			}
			_, err := ReadTar(bytes.NewReader(text))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
			if got, err := Values(bytes.NewReader(text), "apps", "a", 0); err == nil {
				t.Errorf("values given out of it: %q", got)
			}
		})
	}
}

func TestTornTar(t *testing.T) {
	text, _ := pack(t, secretList(t, secret(t, "apps", "a", 1, release("apps", "a", 1, "deployed", `{"k":"v"}`))))
	for n := range text {
		if _, err := ReadTar(bytes.NewReader(text[:n])); err == nil {
			t.Fatalf("%d of %d bytes were taken for whole", n, len(text))
		}
	}
	for _, tail := range []string{"x", strings.Repeat("\x00", 5000) + "x"} {
		if _, err := ReadTar(strings.NewReader(string(text) + tail)); err == nil || !strings.Contains(err.Error(), "something follows") {
			t.Errorf("error %v", err)
		}
	}
	if _, err := ReadTar(strings.NewReader(string(text) + "\x00")); err == nil || !strings.Contains(err.Error(), "torn") {
		t.Errorf("part of a block more: error %v", err)
	}
	if _, err := ReadTar(strings.NewReader(string(text) + strings.Repeat("\x00", 10240))); err != nil {
		t.Errorf("padding as of other tars: %v", err)
	}
}

func FuzzReadTar(f *testing.F) {
	text, _ := pack(f, secretList(f, secret(f, "apps", "a", 1, release("apps", "a", 1, "deployed", `{"k":"v"}`))))
	f.Add(text)
	f.Fuzz(func(t *testing.T, in []byte) {
		c, err := ReadTar(bytes.NewReader(in))
		if err != nil {
			return
		}
		for folder := range c.Releases {
			namespace, name, _ := strings.Cut(folder, "/")
			if _, ok := parseFolder(namespace, name); !ok {
				t.Errorf("a release at %q", folder)
			}
		}
	})
}
