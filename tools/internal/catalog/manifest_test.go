package catalog

import (
	"reflect"
	"strings"
	"testing"
	"time"
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

const anyHash = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

func good() *Manifest {
	return &Manifest{
		Format: 1, Layer: "cluster", Host: "k3s-1", Sequence: 2, Time: noon, Tool: "test",
		Previous: &Link{ManifestName(noon.Add(-time.Hour)), anyHash},
		Present:  []Link{{ManifestName(noon.Add(-time.Hour)), anyHash}},
		Prunes:   []string{ManifestName(noon.Add(-2 * time.Hour))},
		Artifacts: []Artifact{{
			Name: ArtifactName("etcd", noon, "snap"), Asset: "etcd", Kind: "etcd", Size: 7, SHA256: anyHash,
			Recipients: []string{"age1x"}, Contents: Contents{"keys": 3},
		}},
		Failures: []Failure{{"kubeconfig", "missing"}},
	}
}

func TestDecodeReadsWhatEncodeWrote(t *testing.T) {
	m := good()
	b, err := m.Encode()
	if err != nil {
		t.Fatal(err)
	}
	got, err := Decode(m.Name(), b)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, m) {
		t.Errorf("%+v, want %+v", got, m)
	}
}

// A manifest comes from a folder that others may write to. What it says leads
// to files that are opened and removed, so nothing in it may lead elsewhere.
func TestDecodeRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		harm func(*Manifest)
		want string
	}{
		"a newer format":            {func(m *Manifest) { m.Format = 2 }, "format: 2 is not known"},
		"no format":                 {func(m *Manifest) { m.Format = 0 }, "format: 0"},
		"the time of another":       {func(m *Manifest) { m.Time = noon.Add(time.Second) }, "does not belong to a file of that name"},
		"a fraction of a second":    {func(m *Manifest) { m.Time = noon.Add(time.Millisecond) }, "does not belong"},
		"number zero":               {func(m *Manifest) { m.Sequence = 0 }, "sequence: 0"},
		"a number below zero":       {func(m *Manifest) { m.Sequence = -1 << 62 }, "sequence"},
		"previous is elsewhere":     {func(m *Manifest) { m.Previous.Manifest = "../" + m.Previous.Manifest }, "previous: "},
		"previous without a hash":   {func(m *Manifest) { m.Previous.SHA256 = "" }, "previous: sha256"},
		"present is elsewhere":      {func(m *Manifest) { m.Present[0].Manifest = "/etc/passwd" }, "present[0]"},
		"prunes what is no set":     {func(m *Manifest) { m.Prunes = []string{"etcd-" + noon.Format(TimeLayout) + ".snap.age"} }, "prunes, lost"},
		"prunes with a way out":     {func(m *Manifest) { m.Prunes = []string{"manifest-../x.json"} }, "prunes, lost"},
		"lost is elsewhere":         {func(m *Manifest) { m.Lost = []string{"x"} }, "prunes, lost"},
		"an artifact elsewhere":     {func(m *Manifest) { m.Artifacts[0].Name = "../" + m.Artifacts[0].Name }, "artifacts[0]: name"},
		"an artifact of another":    {func(m *Manifest) { m.Artifacts[0].Asset = "kubeconfig" }, "artifacts[0]: name"},
		"an artifact of other time": {func(m *Manifest) { m.Artifacts[0].Name = ArtifactName("etcd", noon.Add(time.Second), "snap") }, "in this set"},
		"the manifest as artifact":  {func(m *Manifest) { m.Artifacts[0].Name = m.Name() }, "artifacts[0]: name"},
		"an asset called manifest": {func(m *Manifest) {
			m.Artifacts[0].Asset, m.Artifacts[0].Name = "manifest", ArtifactName("manifest", noon, "x")
		}, "not a name"},
		"an asset with a slash": {func(m *Manifest) {
			m.Artifacts[0].Asset, m.Artifacts[0].Name = "a/b", ArtifactName("a/b", noon, "x")
		}, "artifacts[0]: name"},
		"a terminal escape":      {func(m *Manifest) { m.Artifacts[0].Name = "etcd-\x1b[31m" }, `\x1b`},
		"an artifact twice":      {func(m *Manifest) { m.Artifacts = append(m.Artifacts, m.Artifacts[0]) }, "artifacts[1]: asset etcd stands here twice"},
		"no size":                {func(m *Manifest) { m.Artifacts[0].Size = 0 }, "size: 0"},
		"a size below zero":      {func(m *Manifest) { m.Artifacts[0].Size = -5 }, "size: -5"},
		"no recipients":          {func(m *Manifest) { m.Artifacts[0].Recipients = nil }, "recipients: none"},
		"no hash":                {func(m *Manifest) { m.Artifacts[0].SHA256 = "" }, "sha256"},
		"a short hash":           {func(m *Manifest) { m.Artifacts[0].SHA256 = anyHash[:62] }, "sha256"},
		"a hash in capitals":     {func(m *Manifest) { m.Artifacts[0].SHA256 = strings.ToUpper(anyHash) }, "sha256"},
		"a hash that is no hex":  {func(m *Manifest) { m.Artifacts[0].SHA256 = strings.Repeat("g", 64) }, "sha256"},
		"a very long asset name": {func(m *Manifest) { m.Artifacts[0].Name = strings.Repeat("a", 300) + m.Artifacts[0].Name[4:] }, "name"},
	} {
		t.Run(name, func(t *testing.T) {
			m := good()
			c.harm(m)
			b, err := m.Encode()
			if err != nil {
				t.Fatal(err)
			}
			if _, err := Decode(ManifestName(noon), b); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}

func TestDecodeRefusesOtherText(t *testing.T) {
	b, err := good().Encode()
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
	for name, other := range map[string]string{
		"nothing":              "",
		"no object":            "[]",
		"half":                 text[:len(text)/2],
		"two":                  text + text,
		"something behind":     text + "x",
		"a field of tomorrow":  strings.Replace(text, `"layer"`, `"mayRemove": "/", "layer"`, 1),
		"a number as a string": strings.Replace(text, `"sequence": 2`, `"sequence": "2"`, 1),
		"a number too large":   strings.Replace(text, `"sequence": 2`, `"sequence": 99999999999999999999`, 1),
		"too much":             text + strings.Repeat(" ", MaxManifest),
	} {
		if _, err := Decode(ManifestName(noon), []byte(other)); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestNames(t *testing.T) {
	for name, want := range map[string]bool{
		"manifest-20261121T120000Z.json":                 true,
		"manifest-20261121T120000Z.json.sig":             true,
		"etcd-20261121T120000Z.snap.age":                 true,
		"helm-values-20261121T120000Z.tar.gz.age":        true,
		"manifest-20261121T120000Z.json.protected":       false,
		"etcd-20261121T120001Z.snap.age":                 false,
		"etcd-20261121T120000Z.age":                      false,
		"etcd-20261121T120000Z.snap":                     false,
		"etcd-20261121T120000Z.notes":                    false,
		"Etcd-20261121T120000Z.snap.age":                 false,
		"etcd-20261121T120000Z.snap.age.bak":             false,
		"copy of etcd-20261121T120000Z.snap.age":         false,
		"etcd-20261121T120000Z.snap.age\n":               false,
		"x/../../etc/etcd-20261121T120000Z.snap.age":     false,
		"etcd-20261121T120000Z..snap.age":                false,
		"etcd-20261121T120000Z-20261121T120000Z.snap.ag": false,
	} {
		if got := BelongsTo(name, noon); got != want {
			t.Errorf("BelongsTo(%q) is %v", name, got)
		}
	}
	for _, name := range []string{"manifest-20261321T120000Z.json", "manifest-2026.json", "manifest-20261121T120000Z.json.sig", "x-20261121T120000Z.json", ""} {
		if _, ok := TimeOf(name); ok {
			t.Errorf("%q is taken for a manifest", name)
		}
	}
	if at, ok := TimeOf(ManifestName(noon)); !ok || !at.Equal(noon) {
		t.Errorf("the time of a name: %s, %v", at, ok)
	}
}

// Whatever the bytes, Decode returns; and what it accepts says the same again.
func FuzzManifest(f *testing.F) {
	b, err := good().Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte(`{"format":1}`))
	f.Add([]byte(`{"format":1,"time":"2026-11-21T12:00:00Z","sequence":1,"artifacts":[{}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := Decode(ManifestName(noon), b)
		if err != nil {
			return
		}
		again, err := m.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Decode(m.Name(), again); err != nil {
			t.Fatalf("accepted, and not again: %v", err)
		}
		for _, a := range m.Artifacts {
			if !BelongsTo(a.Name, m.Time) {
				t.Fatalf("%q would never be removed with its set", a.Name)
			}
		}
	})
}
