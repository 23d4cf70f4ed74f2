package fake

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/klauspost/compress/gzip"
)

// AddRelease stores a deployed release of Helm's in the world in dir as Helm
// does, whatever its names are: nobody asks the API server's rules here.
func AddRelease(dir, namespace, name string, version int, values map[string]any) error {
	payload, err := json.Marshal(map[string]any{
		"name": name, "namespace": namespace, "version": version, "config": values,
		"info": map[string]any{"status": "deployed", "first_deployed": "2026-11-21T17:14:55Z", "last_deployed": "2026-11-21T17:14:55Z"},
		"chart": map[string]any{
			"metadata": map[string]any{"name": "small", "version": "1.2.3", "appVersion": "4.5", "apiVersion": "v2"},
			"values":   map[string]any{"replicas": 1},
		},
		"manifest": "---\nkind: ConfigMap\n",
	})
	if err != nil {
		return err
	}
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	if _, err := z.Write(payload); err != nil {
		return err
	}
	if err := z.Close(); err != nil {
		return err
	}
	inner := base64.StdEncoding.EncodeToString(zipped.Bytes())
	object, err := json.Marshal(map[string]any{
		"metadata": map[string]any{
			"name": fmt.Sprintf("sh.helm.release.v1.%s.v%d", name, version), "namespace": namespace,
			"labels": map[string]string{"name": name, "owner": "helm", "status": "deployed", "version": fmt.Sprint(version)},
		},
		"type": "helm.sh/release.v1",
		"data": map[string]string{"release": base64.StdEncoding.EncodeToString([]byte(inner))},
	})
	if err != nil {
		return err
	}
	return change(dir, func(items []json.RawMessage) []json.RawMessage { return append(items, object) })
}

// change rewrites the Secrets of the world in dir, in the API server's order.
func change(dir string, how func([]json.RawMessage) []json.RawMessage) error {
	path := filepath.Join(dir, "secrets.json")
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if b, err = edit(b, how); err != nil {
		return err
	}
	return os.WriteFile(path, b, 0o600)
}

func edit(list []byte, how func([]json.RawMessage) []json.RawMessage) ([]byte, error) {
	var all objectList
	if err := json.Unmarshal(list, &all); err != nil {
		return nil, err
	}
	all.Items = how(all.Items)
	var wrong error
	slices.SortStableFunc(all.Items, func(a, b json.RawMessage) int {
		x, err := keyOf(a)
		y, err2 := keyOf(b)
		if wrong == nil && (err != nil || err2 != nil) {
			wrong = fmt.Errorf("fake: an object without a name: %w", err)
		}
		return strings.Compare(x, y)
	})
	if wrong != nil {
		return nil, wrong
	}
	return json.Marshal(all)
}

// healthy is without the records that were made by hand to be read wrongly.
func healthy(items []json.RawMessage) []json.RawMessage {
	return slices.DeleteFunc(items, func(item json.RawMessage) bool {
		key, err := keyOf(item)
		return err == nil && (strings.Contains(key, ".corrupt-") || strings.Contains(key, ".lookalike."))
	})
}
