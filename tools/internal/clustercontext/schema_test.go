package clustercontext

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

func schema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(read(t, "madagascar.schema.json")))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("schema.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func validate(t *testing.T, s *jsonschema.Schema, text string) error {
	t.Helper()
	v, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return s.Validate(v)
}

// The schema that editors use and the reader agree: on the example, on what is
// allowed, and on what is wrong.
func TestSchema(t *testing.T) {
	s := schema(t)
	if err := validate(t, s, read(t, "madagascar.example.json")); err != nil {
		t.Errorf("the example: %v", err)
	}
	for text, good := range map[string]bool{
		small(``):             true,
		small(`, "notes": 1`): true,
		small(`, "networks": {"thunderbridge": {"mode": "routed"}}`):                      true,
		small(`, "networks": {"thunderbridge": {"mode": "routed", "bridge": "b"}}`):       false,
		small(`, "networks": {"thunderbridge": {"mode": "bridge"}}`):                      false,
		small(`, "networks": {"thunderbridge": {"bridge": "b"}}`):                         false,
		small(`, "networks": {"wan": {"mode": "bridge"}}`):                                false,
		bridge(`, "mtu": "65520"`):                                                        false,
		bridge(`, "mtu": 70000`):                                                          false,
		bridge(`, "stp": "on"`):                                                           false,
		bridge(`, "addresses": {"a": "192.0.2.1"}`):                                       false,
		bridge(`, "interfaces": {"a": ["thunderbolt00000"]}`):                             false,
		bridge(`, "interfaces": {"a": "t0"}, "paths": {"a": {"t0": "pci-0000:00:0d.2"}}`): true,
		bridge(`, "interfaces": {"a": "t0"}, "paths": {"a": {"t0": "a\\nName=b"}}`):       false,
		bridge(`, "interfaces": {"a": "t0"}, "paths": {"a": {"t0": ["x"]}}`):              false,
		bridge(`, "cables": [["a:t0"]]`):                                                  false,
		stored(``):                                                                        false,
		stored(`"type": "dir", "path": "/m"`):                                             true,
		stored(`"type": "dir"`):                                                           false,
		stored(`"type": "s3", "endpoint": "https://s", "bucket": "b"`):                    false,
		stored(`"type": "webdav", "url": "https://me:pw@s/", "credentials": "c"`):         false,
		stored(`"type": "webdav", "url": "https://s/", "credentials": "c"`):               true,
		`{"clusters": {"m": {"nodes": {"a": {}}}}}`:                                       false,
		`{"clusters": {"m": {"nodes": {"a": {"hosts": []}}}}}`:                            false,
		`{"clusters": {"m": {"nodes": {"a": {"hosts": {}}}}}}`:                            false,
		`{"clusters": {"m": {"nodes": {"a": {"hosts": "-o"}}}}}`:                          false,
		`{"clusters": {"m": {"nodes": {"a": {"hosts": {"x": "a", "y": "root@b"}}}}}}`:     true,
		`{"clusters": {"m": {"nodes": {"a b": {"hosts": "x"}}}}}`:                         false,
		`{"clusters": {"m": {}}}`:                                                         false,
		`{}`:                                                                              false,
	} {
		_, err := Parse("c", []byte(text))
		if (err == nil) != good {
			t.Errorf("the reader says %v: %s", err, text)
		}
		if err := validate(t, s, text); (err == nil) != good {
			t.Errorf("the schema says %v: %s", err, text)
		}
	}
}

// A field that only one of them knows would be checked by an editor and
// ignored by the programs, or the other way around.
func TestSchemaHasTheFields(t *testing.T) {
	var s struct {
		Defs map[string]struct {
			Properties map[string]struct{ Description, Ref string }
		} `json:"$defs"`
	}
	// false stands for a schema, too
	text := strings.ReplaceAll(read(t, "madagascar.schema.json"), `": false`, `": {}`)
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		t.Fatal(err)
	}
	told := map[string][]string{}
	for kind, def := range s.Defs {
		if len(def.Properties) > 0 {
			told[kind] = slices.Sorted(maps.Keys(def.Properties))
		}
	}
	for kind, known := range fields() {
		slices.Sort(known)
		if !slices.Equal(told[kind], known) {
			t.Errorf("%s: the schema has %q, the reader %q", kind, told[kind], known)
		}
		delete(told, kind)
	}
	if len(told) > 0 {
		t.Errorf("the reader does not know %v", told)
	}
}

// The reader reads what it says it knows: a value of no possible type is found
// in every field.
func TestEveryFieldIsRead(t *testing.T) {
	places := map[string][]string{
		"context": {}, "cluster": {"clusters", "madagascar"}, "node": {"clusters", "madagascar", "nodes", "ebony"},
		"networks": {"clusters", "madagascar", "networks"}, "network": {"clusters", "madagascar", "networks", "thunderbridge"},
		"server": {"clusters", "madagascar", "backupServers", "nas"}, "store": {"clusters", "madagascar", "backupServers", "nas", "stores", "bucket"},
	}
	for kind, known := range fields() {
		for _, field := range known {
			text := read(t, "madagascar.example.json")
			root, err := parse("c", []byte(text))
			if err != nil {
				t.Fatal(err)
			}
			d := &Doc{name: "c", text: []byte(text), root: root}
			keys := append(slices.Clone(places[kind]), field)
			if err := d.Set([][]any{{nil}}, keys...); err != nil {
				t.Fatal(err)
			}
			path := ""
			for _, key := range keys {
				path = join(path, key)
			}
			if _, err := d.Context(); err == nil || !strings.Contains(err.Error(), ": "+path) {
				t.Errorf("%s.%s is not read: %v", kind, field, err)
			}
		}
	}
}
