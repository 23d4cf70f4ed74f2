package pvetest

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/railiance/railiance/tools/internal/host"
	"github.com/railiance/railiance/tools/internal/mustrun"
	"github.com/railiance/railiance/tools/internal/vma"
)

// started is a started world; its nodes are reached by name.
func started(t *testing.T) *World {
	t.Helper()
	mustrun.Command(t, "sshd")
	mustrun.Command(t, "tar")
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	w, err := New(filepath.Join(t.TempDir(), "world"), program)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range w.Env() {
		name, value, _ := strings.Cut(v, "=")
		t.Setenv(name, value)
	}
	if err := w.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Stop(); err != nil {
			t.Error(err)
		}
		if left := w.processes(""); len(left) > 0 {
			t.Errorf("processes %v are left", left)
		}
	})
	return w
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func on(t *testing.T, node string, args ...string) (string, error) {
	t.Helper()
	r := host.Remote{Target: node, ConnectTimeout: 5 * time.Second}
	out, err := host.Output(t.Context(), r.Command(host.Command{Args: args}), 100<<20)
	return string(out), err
}

// Each node answers for itself, and knows of the others.
func TestNodesOverSSH(t *testing.T) {
	w := started(t)
	must(t, w.AddVM(VM{ID: 100, Node: "baobab", Name: "web", Running: true, Disks: []Disk{{Key: "scsi0", Size: 1 << 20, Random: 100 << 10}}}))
	must(t, w.AddVM(VM{ID: 101, Node: "ebony", Name: "db", Disks: []Disk{{Key: "scsi0", Storage: "local-lvm", Size: 1 << 20}}}))
	must(t, w.AddCT(CT{ID: 200, Node: "tapia", Name: "cache"}))
	for _, node := range Nodes() {
		out, err := on(t, node, "pvesh", "get", "/cluster/resources", "--type", "vm", "--output-format", "json")
		if err != nil || strings.Count(out, `"vmid":`) != 3 || !strings.Contains(out, `"name":"cache"`) {
			t.Errorf("%s: %s, %v", node, out, err)
		}
	}
	if out, err := on(t, "ebony", "pvesh", "get", "/nodes/ebony/qemu", "--output-format", "json"); err != nil || !strings.Contains(out, `"vmid":101`) || strings.Contains(out, `"vmid":100`) {
		t.Errorf("%s, %v", out, err)
	}
	var exit *host.ExitError
	if _, err := on(t, "ebony", "qm", "config", "100"); !errors.As(err, &exit) || exit.Code != 2 {
		t.Errorf("%v, want status 2 for a guest of another node", err)
	}
	out, err := on(t, "baobab", "vzdump", "100", "--stdout", "--mode", "snapshot")
	must(t, err)
	a, err := vma.Verify(strings.NewReader(out))
	if err != nil || len(a.Devices) != 1 || a.Devices[0].Stored != 100<<10 {
		t.Errorf("%+v, %v", a, err)
	}
	must(t, w.Migrate(100, "tapia"))
	if out, err := on(t, "baobab", "vzdump", "100", "--stdout"); err != nil || out != "" {
		t.Errorf("%q, %v: want nothing, and success", out, err)
	}
	if out, err := on(t, "tapia", "vzdump", "100", "--stdout"); err != nil || len(out) == 0 {
		t.Errorf("%d bytes, %v", len(out), err)
	}
}

// What can happen to a node happens to it.
func TestNodesFail(t *testing.T) {
	w := started(t)
	kind := func(node string) host.SSHKind {
		t.Helper()
		r := host.Remote{Target: node, ConnectTimeout: time.Second}
		err := host.Run(t.Context(), r.Command(host.Command{Args: []string{"true"}}))
		var failed *host.SSHError
		if !errors.As(err, &failed) {
			t.Fatalf("%v, want that ssh fails", err)
		}
		return failed.Kind
	}
	must(t, w.ChangeHostKey("ebony"))
	if got := kind("ebony"); got != host.SSHHostKeyChanged {
		t.Error(got)
	}
	must(t, w.TrustHostKey("ebony"))
	if _, err := on(t, "ebony", "true"); err != nil {
		t.Error(err)
	}
	must(t, w.StopNode("tapia"))
	if got := kind("tapia"); got != host.SSHUnreachable {
		t.Error(got)
	}
	out, err := on(t, "ebony", "pvesh", "get", "/nodes", "--output-format", "json")
	if err != nil || strings.Count(out, `"offline"`) != 1 {
		t.Errorf("%s, %v", out, err)
	}
	must(t, w.MuteNode("ebony"))
	if got := kind("ebony"); got != host.SSHTimeout {
		t.Error(got)
	}
	must(t, w.StartNode("tapia"))
	if out, err := on(t, "tapia", "hostname"); err != nil || out != "tapia\n" {
		t.Errorf("%q, %v", out, err)
	}
	cut := make(chan error)
	go func() {
		_, err := host.Output(t.Context(), host.Remote{Target: "baobab"}.Command(host.Command{Args: []string{"sh", "-c", "echo here; sleep 60"}}), 100)
		cut <- err
	}()
	for len(w.processes("baobab")) == 0 {
		time.Sleep(5 * time.Millisecond)
	}
	must(t, w.CutConnections("baobab"))
	var failed *host.SSHError
	if err := <-cut; !errors.As(err, &failed) || failed.Kind != host.SSHLost {
		t.Errorf("%v, want a lost connection", err)
	}
}
