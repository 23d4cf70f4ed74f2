package tools_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/railiance/railiance/tools/internal/clustercontext"
	"github.com/railiance/railiance/tools/internal/mustrun"
	"github.com/railiance/railiance/tools/internal/pvetest"
	"github.com/railiance/railiance/tools/internal/store/storetest/servers"
)

// What can go wrong with guests, a script each: on the nodes and with what backs
// them up. testdata/guests/README.md has the list.
func TestBadDaysOfGuests(t *testing.T) {
	mustrun.Long(t)
	runGuests(t, "nodes", nil)
}

// And with disks that are full, which takes root.
func TestFullDisksOfGuests(t *testing.T) {
	mustrun.Root(t)
	runGuests(t, "full", nil)
}

// And in the stores of the network.
func TestBadDaysOfSites(t *testing.T) {
	runGuests(t, "sites", &remote{t: t, s3: servers.NewS3(t), dav: servers.NewWebDAV(t)})
}

func runGuests(t *testing.T, scripts string, r *remote) {
	for _, program := range []string{"sshd", "age", "zstd", "ssh-keygen"} {
		mustrun.Command(t, program)
	}
	testscript.Run(t, testscript.Params{
		Dir: filepath.Join("testdata", "guests", scripts), RequireExplicitExec: true, RequireUniqueNames: true,
		Setup: func(env *testscript.Env) error { return setUpGuests(env, r) },
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"cluster": clusterDoes, "harm": harm, "remember": remember, "unharmed": unharmed, "eventually": eventually, "mount": mountSmall,
			"spend": spend, "grow": grow, "lean": lean,
		},
	})
}

// guests is what a script acts on.
type guests struct {
	*pvetest.World
	dir, layer string
	sites      map[string]string // by name, the folder on disk that holds its sets
	state      string
	backups    string
	before     map[string]string // as remember saw it
	called     int               // how many programs the nodes had started when the cluster was last changed
	harms      *harms
}

type guestsKey struct{}

// guestCanary is in the disk of guest 100.
const guestCanary = "canary-90d1-content-of-a-guest"

const guestLayer = `format: 1
layer: madagascar
sign: %s
keep: {last: 9}
guests:
  cluster: madagascar
  context: cluster-context/madagascar.json
  sites: [%s]
  default: {spool: {dir: %s, max: 16MiB}}
  nodes: {skip: true}
`

// setUpGuests starts three nodes, and makes the layer that backs them up. Sockets
// need short paths.
func setUpGuests(env *testscript.Env, r *remote) error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "guests")
	if err != nil {
		return err
	}
	env.Defer(func() { _ = os.RemoveAll(dir) })
	w, err := pvetest.New(filepath.Join(dir, "w"), program)
	if err != nil {
		return err
	}
	w.Second = 50 * time.Millisecond
	g := &guests{
		World: w, dir: dir, layer: filepath.Join(env.WorkDir, "repo", "layers", "madagascar"), sites: map[string]string{},
		state: filepath.Join(env.WorkDir, "state"), backups: filepath.Join(env.WorkDir, "backups"),
	}
	env.Values[guestsKey{}] = g
	random := int64(4 << 20)
	if r != nil {
		random = 20 << 20 // three parts of an upload to S3
	}
	for _, vm := range []pvetest.VM{
		{ID: 100, Node: "baobab", Name: "web", Running: true, Tags: []string{"prod"}, Disks: []pvetest.Disk{
			{Key: "scsi0", Size: 24 << 20, Random: random, Begin: guestCanary}}},
		{ID: 101, Node: "ebony", Name: "mail", Pool: "production", Disks: []pvetest.Disk{
			{Key: "scsi0", Size: 2 << 20, Random: 300 << 10, Text: 100 << 10}, {Key: "scsi1", Size: 1 << 20, NoBackup: true}}},
	} {
		if err := w.AddVM(vm); err != nil {
			return err
		}
	}
	if err := w.AddCT(pvetest.CT{ID: 200, Node: "tapia", Name: "dns", Files: map[string]string{"etc/motd": strings.Repeat("hello ", 20_000)}}); err != nil {
		return err
	}
	if err := g.makeLayer(env, r); err != nil {
		return err
	}
	env.Setenv("TMPDIR", filepath.Join(dir, "tmp"))
	env.Setenv("PATH", filepath.Join(w.Dir, "bin")+string(os.PathListSeparator)+env.Getenv("PATH"))
	for name, value := range map[string]string{
		"HOME": filepath.Join(env.WorkDir, "home"), "LAYER": g.layer, "REPO": filepath.Join(env.WorkDir, "repo"), "W": w.Dir,
		"BACKUP_ROOT": g.backups, "RAILIANCE_STATE": g.state, "SPOOL": filepath.Join(env.WorkDir, "spool"),
	} {
		env.Setenv(name, value)
	}
	for name, path := range g.sites {
		env.Setenv(strings.ToUpper(name), path)
	}
	if err := w.Start(); err != nil {
		return err
	}
	env.Defer(func() {
		if err := w.Stop(); err != nil {
			panic(err)
		}
	})
	return nil
}

// makeLayer makes the repository, a key of the host, and places to write to.
func (g *guests) makeLayer(env *testscript.Env, r *remote) error {
	for _, d := range []string{"home", "spool", "disk", "other", "repo/layers/madagascar/cluster-context"} {
		if err := os.MkdirAll(filepath.Join(env.WorkDir, d), 0o700); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(filepath.Join(g.dir, "tmp"), 0o700); err != nil {
		return err
	}
	key := filepath.Join(env.WorkDir, "host_key")
	if out, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", key).CombinedOutput(); err != nil {
		return fmt.Errorf("ssh-keygen: %w: %s", err, out)
	}
	g.sites["disk"] = filepath.Join(env.WorkDir, "disk")
	if err := os.WriteFile(filepath.Join(g.sites["disk"], ".this-is-the-nas"), nil, 0o600); err != nil {
		return err
	}
	stores := []clustercontext.Store{{Name: "disk", Type: clustercontext.StoreDir, Path: g.sites["disk"], Marker: ".this-is-the-nas"}}
	sites := "shelter/disk, shelter/other"
	if r == nil {
		g.sites["other"] = filepath.Join(env.WorkDir, "other")
		stores = append(stores, clustercontext.Store{Name: "other", Type: clustercontext.StoreDir, Path: g.sites["other"]})
	} else {
		sites = "shelter/disk, shelter/bucket, shelter/cloud"
		more, err := r.site(env, g)
		if err != nil {
			return err
		}
		stores = append(stores, more...)
	}
	layer := fmt.Sprintf(guestLayer, key, sites, filepath.Join(env.WorkDir, "spool"))
	if err := os.WriteFile(filepath.Join(g.layer, "layer.yaml"), []byte(layer), 0o600); err != nil {
		return err
	}
	return g.WriteContext(filepath.Join(g.layer, "cluster-context", "madagascar.json"), stores...)
}

func guestsOf(ts *testscript.TestScript) *guests { return ts.Value(guestsKey{}).(*guests) }

// clusterDoes changes the cluster: a line of World.Do, or add-like deeds of its
// own, where \x1b and the like can be told.
func clusterDoes(ts *testscript.TestScript, neg bool, args []string) {
	if neg {
		ts.Fatalf("usage: cluster DEED WHAT…")
	}
	for i := range args {
		args[i] = unescape(ts, strings.ReplaceAll(args[i], `"`, `\"`))
	}
	g := guestsOf(ts)
	calls, err := g.Calls()
	ts.Check(err)
	g.called = len(calls)
	ts.Check(g.Do(args...))
}

// spend makes a value as long as is asked for: spend VMID KEY BYTES.
func spend(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: spend VMID KEY BYTES")
	}
	id, err := strconv.Atoi(args[0])
	ts.Check(err)
	n, err := strconv.Atoi(args[2])
	ts.Check(err)
	ts.Check(guestsOf(ts).SetKey(id, args[1], strings.Repeat("long ", n/5)))
}
