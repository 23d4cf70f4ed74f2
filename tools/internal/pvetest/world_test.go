package pvetest

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/railiance/railiance/tools/internal/clustercontext"
	"github.com/railiance/railiance/tools/internal/mustrun"
)

// holdVariable makes the test binary a process that holds a started world.
const holdVariable = "PVETEST_HOLD"

func TestMain(m *testing.M) {
	Dispatch()
	if dir := os.Getenv(holdVariable); dir != "" {
		fmt.Println(hold(dir))
		time.Sleep(time.Minute)
		return
	}
	os.Exit(m.Run())
}

func hold(dir string) error {
	w, err := New(dir, os.Args[0])
	if err != nil {
		return err
	}
	if err := w.AddVM(machine("baobab", 100)); err != nil {
		return err
	}
	return w.Start()
}

// What a World has started ends with it, also when nobody could stop it.
func TestWorldEndsWithItsProcess(t *testing.T) {
	mustrun.Command(t, "sshd")
	program, err := os.Executable()
	must(t, err)
	dir := filepath.Join(t.TempDir(), "world")
	holder := exec.Command(program)
	holder.Env = append(os.Environ(), holdVariable+"="+dir)
	out, err := holder.StdoutPipe()
	must(t, err)
	must(t, holder.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || line != "<nil>\n" {
		t.Fatalf("%s, %v", line, err)
	}
	w, err := Open(dir)
	must(t, err)
	must(t, w.SetFault("vzdump-100", "hang"))
	ssh := exec.Command(filepath.Join(dir, "bin", "ssh"), "baobab", "vzdump 100 --stdout")
	must(t, ssh.Start())
	for len(w.processes("baobab")) == 0 {
		time.Sleep(5 * time.Millisecond)
	}
	must(t, holder.Process.Kill())
	_ = holder.Wait()
	if err := ssh.Wait(); err == nil {
		t.Error("vzdump did well")
	}
	for end := time.Now().Add(10 * time.Second); len(w.processes("")) > 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("processes %v are left", w.processes(""))
		}
	}
	for _, node := range Nodes() {
		port, err := w.port(node)
		must(t, err)
		if conn, err := net.Dial("tcp", "127.0.0.1:"+port); err == nil {
			_ = conn.Close()
			t.Errorf("%s still answers", node)
		}
	}
	must(t, w.Quiet(5*time.Second))
}

// The context is one, and leads to the nodes.
func TestContext(t *testing.T) {
	w := quiet(t)
	path := filepath.Join(t.TempDir(), "cluster-context", "madagascar.json")
	must(t, w.WriteContext(path,
		clustercontext.Store{Name: "disk", Type: clustercontext.StoreDir, Path: "/mnt/nas", Marker: ".nas"},
		clustercontext.Store{Name: "bucket", Type: clustercontext.StoreS3, Endpoint: "https://127.0.0.1:9000", Bucket: "b", PathStyle: true, CA: "/ca.pem", Credentials: "s3.yaml"}))
	c, err := clustercontext.Read(path)
	must(t, err)
	var names []string
	for _, n := range c.Clusters[0].Nodes {
		names = append(names, n.Name+" "+n.Hosts[0].Target)
	}
	slices.Sort(names)
	if got := strings.Join(names, ", "); got != "baobab baobab, ebony ebony, tapia tapia" {
		t.Error(got)
	}
	if s := c.Clusters[0].BackupServers[0]; s.Name != Server || len(s.Stores) != 2 {
		t.Errorf("%+v", s)
	}
	if len(c.Unknown) > 0 {
		t.Errorf("unknown: %q", c.Unknown)
	}
}

// Every guest of the demonstration can be backed up, and no line of a script is
// taken for another.
func TestPopulate(t *testing.T) {
	w := quiet(t)
	must(t, w.Populate())
	guests, err := w.guests()
	must(t, err)
	if len(guests) != 7 {
		t.Errorf("%d guests", len(guests))
	}
	for _, g := range guests {
		out := fine(t, w, nil, g.node, "vzdump", fmt.Sprint(g.id), "--stdout")
		if has := strings.Contains(string(out), Canary); has == (g.id == 103) {
			t.Errorf("guest %d: canary %v", g.id, has)
		}
	}
	must(t, w.Do("migrate", "100", "ebony"))
	must(t, w.Do("fault", "vzdump-100", "exit", "0", "empty"))
	if out := fine(t, w, nil, "ebony", "vzdump", "100", "--stdout"); len(out) > 0 {
		t.Errorf("%d bytes", len(out))
	}
	must(t, w.Do("set-key", "100", "lock", "migrate"))
	if lock, err := w.Key(100, "lock"); err != nil || lock != "migrate" {
		t.Errorf("%q, %v", lock, err)
	}
	for _, bad := range [][]string{{"migrate", "100"}, {"remove", "x"}, {"burn", "100"}, {"run", "100", "101"}, {}} {
		if err := w.Do(bad...); err == nil {
			t.Errorf("%q was done", bad)
		}
	}
}
