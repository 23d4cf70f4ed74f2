package pvecli_test

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/railiance/railiance/tools/internal/clustercontext"
	"github.com/railiance/railiance/tools/internal/mustrun"
	"github.com/railiance/railiance/tools/internal/pvetest"
)

// TestCluster runs scripts against three nodes behind real sshds.
func TestCluster(t *testing.T) {
	mustrun.Long(t)
	runCluster(t, "cluster")
}

func runCluster(t *testing.T, scripts string) {
	for _, program := range []string{"sshd", "age", "zstd", "sqlite3"} {
		mustrun.Command(t, program)
	}
	testscript.Run(t, testscript.Params{
		Dir: filepath.Join("testdata", scripts), RequireExplicitExec: true, RequireUniqueNames: true,
		Setup: func(env *testscript.Env) error {
			if err := setUp(env); err != nil {
				return err
			}
			return start(env)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"cluster": change, "page": page},
	})
}

type worldKey struct{}

// start starts a cluster with two virtual machines and a container on three
// nodes. Sockets need short paths.
func start(env *testscript.Env) error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "pvecli")
	if err != nil {
		return err
	}
	w, err := pvetest.New(filepath.Join(dir, "w"), program)
	if err != nil {
		return err
	}
	env.Defer(func() {
		if err := w.Stop(); err != nil {
			panic(err)
		}
		_ = os.RemoveAll(dir)
	})
	env.Values[worldKey{}] = w
	for _, vm := range []pvetest.VM{
		{ID: 100, Node: "baobab", Name: "web", Running: true, Agent: true, Tags: []string{"prod"}, Disks: []pvetest.Disk{
			{Key: "scsi0", Size: 1 << 20, Random: 300 << 10, Begin: "a secret in the clear"}, {Key: "scsi1", Size: 1 << 20, NoBackup: true}}},
		{ID: 101, Node: "ebony", Name: "mail", Pool: "production", Disks: []pvetest.Disk{{Key: "scsi0", Size: 1 << 20, Text: 100 << 10}}},
	} {
		if err := w.AddVM(vm); err != nil {
			return err
		}
	}
	if err := w.AddCT(pvetest.CT{ID: 200, Node: "tapia", Name: "dns", Files: map[string]string{"etc/hostname": "dns\n"}}); err != nil {
		return err
	}
	sites := filepath.Join(env.WorkDir, "sites")
	context := filepath.Join(env.WorkDir, "repo", "layers", "madagascar", "cluster-context", "madagascar.json")
	if err := w.WriteContext(context,
		clustercontext.Store{Name: "disk", Type: clustercontext.StoreDir, Path: filepath.Join(sites, "disk")},
		clustercontext.Store{Name: "other", Type: clustercontext.StoreDir, Path: filepath.Join(sites, "other")}); err != nil {
		return err
	}
	// The server of that context has another name than the one of the layer.
	text, err := os.ReadFile(context)
	if err != nil {
		return err
	}
	if err := os.WriteFile(context, []byte(strings.Replace(string(text), strconv.Quote(pvetest.Server), `"nas"`, 1)), 0o600); err != nil {
		return err
	}
	env.Setenv("TMPDIR", dir)
	env.Setenv("PATH", filepath.Join(w.Dir, "bin")+string(os.PathListSeparator)+env.Getenv("PATH"))
	env.Setenv("W", w.Dir)
	return w.Start()
}

// change does something to the cluster: cluster stop NODE, start NODE, migrate
// ID NODE, remove ID, lock ID, set ID KEY VALUE, fault NAME LINE.
func change(ts *testscript.TestScript, neg bool, args []string) {
	w := ts.Value(worldKey{}).(*pvetest.World)
	id := func() int {
		n, err := strconv.Atoi(args[1])
		ts.Check(err)
		return n
	}
	if neg || len(args) < 2 {
		ts.Fatalf("usage: cluster DEED WHAT…")
	}
	switch args[0] {
	case "stop":
		ts.Check(w.StopNode(args[1]))
	case "start":
		ts.Check(w.StartNode(args[1]))
	case "migrate":
		ts.Check(w.Migrate(id(), args[2]))
	case "remove":
		ts.Check(w.Remove(id()))
	case "lock":
		ts.Check(w.SetKey(id(), "lock", "backup"))
	case "set":
		value, err := strconv.Unquote(`"` + args[3] + `"`) // a terminal's escapes can be told
		ts.Check(err)
		ts.Check(w.SetKey(id(), args[2], value))
	case "fault":
		ts.Check(w.SetFault(pvetest.Fault(args[1]), strings.Join(args[2:], " ")))
	default:
		ts.Fatalf("cluster: %s is not a deed", args[0])
	}
}
