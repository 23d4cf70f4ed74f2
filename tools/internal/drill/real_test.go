package drill_test

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"strings"
	"testing"

	"github.com/railiance/railiance/tools/internal/drill"
	"github.com/railiance/railiance/tools/internal/state"
)

// The same on each datastore: a whole set is proven, and the proof is stamped.
func TestDrillBoots(t *testing.T) {
	for name, config := range map[string]string{
		"etcd":             "cluster-init: true\n",
		"etcd-encrypted":   "cluster-init: true\nsecrets-encryption: true\nservice-cidr: 10.99.0.0/16\n",
		"SQLite":           "",
		"SQLite-encrypted": "secrets-encryption: true\n",
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, config)
			out, story, status := w.drill(t)
			if status != 0 {
				t.Fatalf("exit status %d\n%s\n%s", status, out, story)
			}
			for _, want := range []string{"proof: booted", "read       secrets", "helm       helm-values", "kubeconfig kubeconfig", "example.org/plans"} {
				if !strings.Contains(out, want) {
					t.Errorf("no %q in:\n%s", want, out)
				}
			}
			stamp, err := state.ReadStamp(w.path("backup/cluster"), state.DrillStamp)
			if err != nil {
				t.Fatal(err)
			}
			if stamp.Proof != drill.ProofBooted || stamp.Seconds <= 0 || stamp.Counts["example.org/plans"] != 2 || stamp.Counts["helm-values"] != 1 {
				t.Errorf("%+v", stamp)
			}
			if name == "etcd-encrypted" {
				w.sabotages(t)
				w.ends(t)
			}
		})
	}
}

// checks is what a drill with --json says, by "check what".
func (w *world) checks(t *testing.T, args ...string) (map[string]drill.Check, int) {
	t.Helper()
	out, _, status := w.drill(t, append(args, "--json")...)
	found := map[string]drill.Check{}
	for line := range strings.Lines(out) {
		var c drill.Check
		if err := json.Unmarshal([]byte(line), &c); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		found[c.Check+" "+c.What] = c
	}
	return found, status
}

// sabotages change something in the server, back it up and see the drill fail
// for that and nothing else.
func (w *world) sabotages(t *testing.T) {
	stamp := w.path("backup/cluster", state.DrillStamp)
	// What is backed up as the kubeconfig is not what the backup itself uses.
	w.write(t, "admin.yaml", read(t, w.path("k3s.yaml")))
	w.write(t, "layer/layer.yaml", strings.Replace(strings.ReplaceAll(layerYAML, "DIR", w.dir),
		"kubeconfig: "+w.path("k3s.yaml"), "kubeconfig: "+w.path("admin.yaml"), 1))
	for _, tt := range []struct {
		name, file string
		harm       func(string) string
		failing    string
		verdict    string
	}{
		{"the token of another time", "data/server/token", func(token string) string {
			ca, _, _ := strings.Cut(token, "::")
			return ca + "::server:another"
		}, "restore etcd", "encrypted with different token"},
		{"a kubeconfig that the cluster does not know", "k3s.yaml", func(config string) string {
			return strings.Replace(config, "client-certificate-data", "token: nobody\n    x-data", 1)
		}, "kubeconfig kubeconfig", "Unauthorized"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := os.Remove(stamp); err != nil && !errors.Is(err, fs.ErrNotExist) {
				t.Fatal(err)
			}
			good := read(t, w.path(tt.file))
			w.write(t, tt.file, tt.harm(good))
			w.do(t, "railiance-backup-s2")
			w.write(t, tt.file, good)
			checks, status := w.checks(t)
			if status != 1 {
				t.Errorf("exit status %d", status)
			}
			for name, c := range checks {
				if wrong := c.Verdict != "" && !strings.HasPrefix(c.Verdict, drill.OK); wrong != (name == tt.failing) {
					t.Errorf("%s: %s", name, c.Verdict)
				}
			}
			if !strings.Contains(checks[tt.failing].Verdict, tt.verdict) {
				t.Errorf("%+v", checks[tt.failing])
			}
			if _, err := os.Stat(stamp); err == nil {
				t.Error("it was stamped")
			}
		})
	}
	w.do(t, "railiance-backup-s2")
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
