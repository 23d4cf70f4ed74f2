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
