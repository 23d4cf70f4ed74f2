package asset

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// k3s may be told of its datastore in many places; a state.db of former times
// must not pass for it because one was overlooked.
func TestEndpoint(t *testing.T) {
	const variable = "K3S_DATASTORE_ENDPOINT=mysql://u:p@tcp(h)/k3s\n"
	for name, files := range map[string]map[string]string{
		"configuration":         {"config.yaml": "datastore-endpoint: mysql://u:p@tcp(h)/k3s\n"},
		"configuration, beside": {"config.yaml.d/50.yaml": "datastore-endpoint: mysql://u:p@tcp(h)/k3s\n"},
		"unit":                  {"k3s.service": "[Service]\nExecStart=k3s server --datastore-endpoint=mysql://u:p@tcp(h)/k3s\n"},
		"drop-in":               {"k3s.service": "[Service]\n", "k3s.service.d/db.conf": "[Service]\nEnvironment=" + variable},
		"drop-in alone":         {"k3s.service.d/db.conf": "[Service]\nEnvironment=" + variable},
		"variables":             {"k3s.service": "[Service]\nEnvironmentFile=-DIR/default/%N\n", "default/k3s": variable},
		"variables, quoted":     {"k3s.service": "[Service]\nEnvironmentFile=\"DIR/default/k3s\"\n", "default/k3s": variable},
		"drop-in's variables":   {"k3s.service.d/db.conf": "EnvironmentFile=DIR/env\n", "env": variable},
		"":                      {"k3s.service": "EnvironmentFile=-DIR/none\nEnvironmentFile=DIR/k3s.service\n", "default/k3s": variable},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for file, text := range files {
				path := filepath.Join(dir, file)
				if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(strings.ReplaceAll(text, "DIR", dir)), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			k := K3s{Config: filepath.Join(dir, "config.yaml"), Service: "k3s", Units: []string{filepath.Join(dir, "k3s.service")}}
			value, where, err := k.endpoint()
			if err != nil {
				t.Fatal(err)
			}
			if (value != "") != (name != "") || (where != "") != (name != "") {
				t.Errorf("%q, from %q", value, where)
			}
		})
	}
}
