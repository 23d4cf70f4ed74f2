package pvetest

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/railiance/railiance/tools/internal/vma"
)

// What qmrestore makes of an archive has the disks that vzdump read, and a
// guest that can be started apart from the first.
func TestMachineComesBack(t *testing.T) {
	w := quiet(t)
	must(t, w.AddVM(machine("baobab", 100)))
	archive := fine(t, w, nil, "baobab", "vzdump", "100", "--stdout", "--mode", "snapshot")
	a, err := vma.Verify(bytes.NewReader(archive))
	must(t, err)
	fine(t, w, archive, "ebony", "qmrestore", "-", "900", "--storage", "local-lvm", "--unique", "1")
	for i, key := range []string{"efidisk0", "scsi0"} {
		if digest(t, w, 900, key) != digest(t, w, 100, key) || a.Devices[i].Digest != digest(t, w, 100, key) {
			t.Errorf("%s is another disk", key)
		}
	}
	net, err := w.Key(900, "net0")
	must(t, err)
	if old, _ := w.Key(100, "net0"); net == old || !strings.Contains(net, "bridge=vmbr0") {
		t.Errorf("net0 is %s, and was %s", net, old)
	}
	fine(t, w, nil, "ebony", "qm", "set", "900", "--net0", net+",link_down=1")
	if _, stderr, rc := do(t, w, nil, "ebony", "qm", "guest", "cmd", "900", "ping"); rc != 255 || stderr != "VM 900 is not running\n" {
		t.Errorf("%d, %s", rc, stderr)
	}
	must(t, w.SetFault("agent-900", "after 100"))
	fine(t, w, nil, "ebony", "qm", "start", "900")
	if _, stderr, rc := do(t, w, nil, "ebony", "qm", "guest", "cmd", "900", "ping"); rc != 255 || stderr != "QEMU guest agent is not running\n" {
		t.Errorf("%d, %s", rc, stderr)
	}
	for rc := 255; rc != 0; time.Sleep(20 * time.Millisecond) {
		_, _, rc = do(t, w, nil, "ebony", "qm", "guest", "cmd", "900", "ping")
	}
	if _, _, rc := do(t, w, nil, "ebony", "qm", "destroy", "900"); rc != 255 {
		t.Error("a guest that runs was destroyed")
	}
	fine(t, w, nil, "ebony", "qm", "stop", "900")
	path, err := w.DiskPath(900, "scsi0")
	must(t, err)
	fine(t, w, nil, "ebony", "qm", "destroy", "900", "--purge", "1")
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
	if _, there, _ := w.Has(900); there {
		t.Error("900 is still there")
	}
}

func TestContainerComesBack(t *testing.T) {
	w := quiet(t)
	must(t, w.AddCT(CT{
		ID: 200, Node: "tapia", Name: "cache", Files: map[string]string{"srv/value": "forty-two\n", "data/lost": "not in the archive\n"},
		Mounts: []Mount{{Key: "mp0", Path: "/data"}},
	}))
	archive := fine(t, w, nil, "tapia", "vzdump", "200", "--stdout")
	fine(t, w, archive, "tapia", "pct", "restore", "901", "-", "--rootfs", "local:1", "--unprivileged", "1")
	fine(t, w, nil, "tapia", "pct", "start", "901")
	if out := fine(t, w, nil, "tapia", "pct", "exec", "901", "--", "cat", "/srv/value"); string(out) != "forty-two\n" {
		t.Errorf("%q", out)
	}
	if _, _, rc := do(t, w, nil, "tapia", "pct", "exec", "901", "--", "cat", "/data/lost"); rc != 1 {
		t.Error("what the mount point held came back")
	}
	fine(t, w, nil, "tapia", "pct", "stop", "901")
	fine(t, w, nil, "tapia", "pct", "destroy", "901", "--purge")
	if _, err := os.Stat(filepath.Join(w.NodeDir("tapia"), "rootfs", "901")); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

// The first byte is not waited for longer than by the real one, and what is
// left behind is a configuration.
func TestRestoreWaitsForHeader(t *testing.T) {
	w := quiet(t)
	c := w.Command(t.Context(), "baobab", "qmrestore", "-", "900", "--storage", "local")
	in, err := c.StdinPipe()
	must(t, err)
	defer in.Close()
	began := time.Now()
	if out, err := c.Output(); err == nil || !strings.Contains(string(out), "NOT cleaned up") || time.Since(began) < 500*time.Millisecond {
		t.Errorf("%s, %v after %s", out, err, time.Since(began))
	}
	if memory, err := w.Key(900, "memory"); err != nil || memory != "128" {
		t.Errorf("%q, %v", memory, err)
	}
}

// A restore that fails leaves what the real one leaves: of a virtual machine a
// stub, of a container nothing; one that is killed leaves its lock.
func TestRestoreFaults(t *testing.T) {
	w := quiet(t)
	must(t, w.AddVM(machine("baobab", 100)))
	must(t, w.AddCT(CT{ID: 200, Node: "baobab", Name: "cache", Files: map[string]string{"srv/text": strings.Repeat("some text\n", 50_000)}}))
	vm := fine(t, w, nil, "baobab", "vzdump", "100", "--stdout")
	ct := fine(t, w, nil, "baobab", "vzdump", "200", "--stdout")
	for _, test := range []struct {
		fault, line string
		archive     []byte
		args        []string
		rc          int
		config      string // what is left; empty: nothing
	}{
		{"qmrestore-ebony", "fail after 1000000", vm, []string{"qmrestore", "-", "900"}, 255, "memory: 128\n"},
		{"qmrestore-ebony", "die after 1000000", vm, []string{"qmrestore", "-", "900"}, -1, "lock: create\nmemory: 128\n"},
		{"pct-ebony", "fail after 100000", ct, []string{"pct", "restore", "900", "-", "--rootfs", "local:1"}, 255, ""},
		{"pct-ebony", "die after 100000", ct, []string{"pct", "restore", "900", "-", "--rootfs", "local:1"}, -1, "lock: create\n"},
	} {
		must(t, w.SetFault(Fault(test.fault), test.line))
		out, stderr, rc := do(t, w, test.archive, "ebony", test.args[0], test.args[1:]...)
		if rc != test.rc {
			t.Errorf("%s of %s: %d: %s%s", test.line, test.fault, rc, out, stderr)
		}
		g, there, err := w.find(900)
		must(t, err)
		if there != (test.config != "") {
			t.Errorf("%s of %s: there is a guest: %v", test.line, test.fault, there)
		}
		if there {
			conf, err := w.config(g)
			must(t, err)
			if got := string(conf.text()); got != test.config {
				t.Errorf("%s of %s: left %q", test.line, test.fault, got)
			}
			must(t, w.Remove(900))
		}
		must(t, w.SetFault(Fault(test.fault), ""))
	}
	fine(t, w, vm, "ebony", "qmrestore", "-", "900")
	must(t, w.SetFault("start-900", "fail"))
	if _, _, rc := do(t, w, nil, "ebony", "qm", "start", "900"); rc != 255 {
		t.Errorf("%d, want that it does not start", rc)
	}
}
