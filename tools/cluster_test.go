// Package tools_test holds what spans the packages: every layer's contract,
// its bad days, and the floors of the house.
package tools_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/spf13/cobra"

	"github.com/railiance/railiance/tools/internal/backupcli"
	"github.com/railiance/railiance/tools/internal/fake"
	"github.com/railiance/railiance/tools/internal/layertest"
	"github.com/railiance/railiance/tools/internal/mustrun"
	"github.com/railiance/railiance/tools/internal/plugin"
	"github.com/railiance/railiance/tools/internal/pvecli"
	"github.com/railiance/railiance/tools/internal/pvetest"
	"github.com/railiance/railiance/tools/internal/restorecli"
)

var update = flag.Bool("update", false, "rewrite what the scripts expect")

// One binary is all the programs of the scripts, the fakes included.
func TestMain(m *testing.M) {
	pvetest.Dispatch() // what the nodes of a cluster run
	testscript.Main(m, map[string]func(){
		"railiance-backup-s2":  program("railiance-backup-s2", backupcli.Command),
		"railiance-restore-s2": program("railiance-restore-s2", restorecli.Command),
		"pve-vm-backup":        program("pve-vm-backup", pvecli.Command),
		"k3s":                  func() { os.Exit(fake.K3s(os.Args[1:])) },
	})
}

// program is an executable of ours whose clock the scripts can move.
func program(name string, verbs func(*plugin.Shell) *cobra.Command) func() {
	return func() {
		os.Exit(plugin.Main(name, func(sh *plugin.Shell) *cobra.Command {
			sh.Now = layertest.Clock
			return verbs(sh)
		}))
	}
}

func cluster(datastore string) layertest.Layer {
	return layertest.Layer{
		Name: "cluster", Backup: "railiance-backup-s2", Restore: "railiance-restore-s2",
		Assets: []string{datastore, "k3s-server", "helm-values", "kubeconfig"},
		New: func(dir string) (layertest.World, error) {
			c, err := fake.NewCluster(dir)
			if err == nil && datastore == "state-db" {
				err = c.UseSQLite()
			}
			if err != nil {
				return layertest.World{}, err
			}
			return layertest.World{
				Layer: c.Layer(), Repo: c.Repo(), Keys: filepath.Dir(c.Key("one")), Value: c,
				Env:      append(c.Env(), "FAKE="+c.World(), "DATA="+c.DataDir(), "ETC="+c.Etc()),
				Canaries: fake.Canaries(),
				Plaintext: []string{
					filepath.Join(c.DataDir(), "server", "db", "snapshots", "railiance-*"),
					filepath.Join(c.DataDir(), "server", "db", "railiance-*"),
				},
			}, nil
		},
		Commands: map[string]func(*testscript.TestScript, bool, []string){
			"damage": damage, "release": release, "many": many, "corrupt": corrupt, "encrypted": encrypted, "quiet": quiet,
		},
	}
}

func clusterOf(ts *testscript.TestScript) fake.Cluster { return layertest.Of(ts).Value.(fake.Cluster) }

// damage makes k3s write damaged snapshots: damage HOW.
func damage(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: damage HOW")
	}
	ts.Check(clusterOf(ts).DamageSnapshot(args[0]))
}

// corrupt adds the Helm records to the cluster that Helm itself cannot read.
func corrupt(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: corrupt")
	}
	ts.Check(clusterOf(ts).UseCorrupt())
}

// encrypted has the cluster encrypt its Secrets.
func encrypted(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: encrypted")
	}
	ts.Check(clusterOf(ts).UseEncrypted())
}

// release installs a Helm release: release NAMESPACE NAME [BYTES], with values
// of about so many bytes.
func release(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 || len(args) > 3 {
		ts.Fatalf("usage: release NAMESPACE NAME [BYTES]")
	}
	values := map[string]any{"grüße ☃": "\u202eэто\n---\n- *x", "off": false}
	if len(args) == 3 {
		n, err := strconv.Atoi(args[2])
		ts.Check(err)
		values["long"] = strings.Repeat("ä0", n/3)
	}
	ts.Check(fake.AddRelease(clusterOf(ts).World(), unescape(ts, args[0]), unescape(ts, args[1]), 1, values))
}

// many installs N releases: many N.
func many(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: many N")
	}
	n, err := strconv.Atoi(args[0])
	ts.Check(err)
	for i := range n {
		ts.Check(fake.AddRelease(clusterOf(ts).World(), "many", fmt.Sprintf("r%04d", i), 1, nil))
	}
}

// quiet says that no program acts on the cluster any more, children of killed
// ones included.
func quiet(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: quiet")
	}
	ts.Check(fake.Quiet(clusterOf(ts).World(), 5*time.Second))
}

// unescape reads \x1b and the like, which a script's line cannot hold.
func unescape(ts *testscript.TestScript, s string) string {
	out, err := strconv.Unquote(`"` + s + `"`)
	ts.Check(err)
	return out
}

// The contract of every layer, over both datastores of k3s.
func TestContract(t *testing.T) {
	mustrun.Long(t)
	for _, datastore := range []string{"etcd", "state-db"} {
		t.Run(datastore, func(t *testing.T) { layertest.Run(t, cluster(datastore), "testdata/contract", *update) })
	}
}

// What can go wrong on a k3s server, a script each.
func TestBadDays(t *testing.T) { layertest.Run(t, cluster("etcd"), "testdata/cluster", *update) }
