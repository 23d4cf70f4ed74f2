//go:build e2e

package e2e

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"reflect"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

// crowd is how many releases there are besides the estate's: Helm's own list
// stops at 256.
const crowd = 300

// TestHelmParity holds the helm-values artifact against `helm get values` of
// both Helms, release by release.
func TestHelmParity(t *testing.T) {
	scenario(t, func(t *testing.T, w *world) {
		w.boot("cluster-init: true\nnode-ip: " + address + "\n")
		w.fill()
		w.clones()
		w.firstDay()
		w.do(backup)
		w.sh("mkdir /mnt/out && age -d -i " + keysFile + " " + w.one(backupDir+"/helm-values-*.tar.gz.age") + " | tar -xzf - -C /mnt/out")

		list, err := w.server.List(t.Context())
		w.ok(err)
		asked := 0
		for i, r := range list {
			path := fmt.Sprintf("/mnt/out/%s/%s/v%s/values.yaml", r.Namespace, r.Name, r.Revision)
			saved := w.yaml(path)
			if r.Namespace == "crowd" && i%50 != 0 {
				if want := cloneValues(r.Name); !reflect.DeepEqual(saved, plain(w, want)) {
					t.Errorf("%s: %v, not %v", path, saved, want)
				}
				continue
			}
			for _, helm := range []string{w.server.Helm3, w.server.Helm4} {
				text, err := w.server.Values(t.Context(), helm, r)
				w.ok(err)
				if want := parse(w, text); !reflect.DeepEqual(saved, want) {
					t.Errorf("%s: %v; %s get values says %v", path, saved, helm, want)
				}
				asked++
			}
		}
		if len(list) < crowd+5 {
			t.Errorf("only %d releases", len(list))
		}
		t.Logf("%d releases compared, %d answers of helm get values", len(list), asked)
	})
}

// clones makes many releases out of one real record, as installing each would
// take minutes.
func (w *world) clones() {
	w.t.Helper()
	w.kubectl("create", "namespace", "crowd")
	var secret struct {
		Data struct{ Release []byte }
	}
	w.ok(json.Unmarshal([]byte(w.kubectl("-n", "media", "get", "secret", "sh.helm.release.v1.plain.v1", "-o", "json")), &secret))
	var record map[string]any
	packed, err := base64.StdEncoding.DecodeString(string(secret.Data.Release))
	w.ok(err)
	z, err := gzip.NewReader(bytes.NewReader(packed))
	w.ok(err)
	w.ok(json.NewDecoder(z).Decode(&record))

	var items []any
	for i := range crowd {
		name := fmt.Sprintf("clone-%03d", i)
		record["name"], record["namespace"], record["config"] = name, "crowd", cloneValues(name)
		items = append(items, map[string]any{
			"apiVersion": "v1", "kind": "Secret", "type": "helm.sh/release.v1",
			"metadata": map[string]any{
				"name": "sh.helm.release.v1." + name + ".v1", "namespace": "crowd",
				"labels": map[string]string{"owner": "helm", "name": name, "status": "deployed", "version": "1"},
			},
			"data": map[string][]byte{"release": []byte(base64.StdEncoding.EncodeToString(pack(w, record)))},
		})
	}
	b, err := json.Marshal(map[string]any{"apiVersion": "v1", "kind": "List", "items": items})
	w.ok(err)
	_, err = w.server.Kubectl(w.t.Context(), string(b), "create", "-f", "-")
	w.ok(err)
}

func cloneValues(name string) map[string]any {
	return map[string]any{"of": name, "list": []any{name, "é"}, "on": false}
}

func pack(w *world, v any) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w.ok(json.NewEncoder(z).Encode(v))
	w.ok(z.Close())
	return b.Bytes()
}

// plain is v as it looks after a way through JSON.
func plain(w *world, v any) any {
	b, err := json.Marshal(v)
	w.ok(err)
	return parse(w, string(b))
}

// parse reads JSON with every number as the exact one that it is.
func parse(w *world, text string) any {
	w.t.Helper()
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var v any
	w.ok(d.Decode(&v))
	return exact(w, v)
}

func exact(w *world, v any) any {
	switch v := v.(type) {
	case json.Number:
		return number(w, v.String())
	case map[string]any:
		for k := range v {
			v[k] = exact(w, v[k])
		}
	case []any:
		for i := range v {
			v[i] = exact(w, v[i])
		}
	}
	return v
}

func number(w *world, text string) any {
	w.t.Helper()
	n, ok := new(big.Rat).SetString(text)
	if !ok {
		w.t.Fatalf("%q is no number", text)
	}
	return "number " + n.RatString()
}

// yaml reads a file of values, with numbers as parse has them.
func (w *world) yaml(path string) any {
	w.t.Helper()
	var doc yaml.Node
	d := yaml.NewDecoder(strings.NewReader(w.read(path)))
	if err := d.Decode(&doc); err != nil && err != io.EOF {
		w.t.Fatalf("%s: %v", path, err)
	}
	return w.node(doc.Content[0])
}

func (w *world) node(n *yaml.Node) any {
	w.t.Helper()
	switch n.Kind {
	case yaml.MappingNode:
		m := map[string]any{}
		for i := 0; i < len(n.Content); i += 2 {
			m[n.Content[i].Value] = w.node(n.Content[i+1])
		}
		return m
	case yaml.SequenceNode:
		l := []any{}
		for _, c := range n.Content {
			l = append(l, w.node(c))
		}
		return l
	}
	switch n.ShortTag() {
	case "!!int", "!!float":
		return number(w, n.Value)
	case "!!null":
		return nil
	case "!!bool":
		return n.Value == "true"
	}
	return n.Value
}
