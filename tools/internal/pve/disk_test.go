package pve

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/railiance/railiance/tools/internal/mustrun"
	"github.com/railiance/railiance/tools/internal/pvetest"
)

func TestReadDiskThatIsNotRaw(t *testing.T) {
	w, c := world(t)
	ok(t, w.AddVM(pvetest.VM{ID: 100, Node: "baobab", Keys: map[string]string{"scsi0": "local:100/vm-100-disk-0.qcow2,size=1G", "scsi1": "local:100/$(id).raw"}}))
	g, err := c.Locate(soon(t), 100)
	ok(t, err)
	if _, err := c.ReadDisk(soon(t), g, "scsi0", io.Discard); !errors.Is(err, ErrNotRaw) {
		t.Errorf("%v", err)
	}
	if _, err := c.ReadDisk(soon(t), g, "scsi1", io.Discard); err == nil || errors.Is(err, ErrNotRaw) {
		t.Errorf("%v", err)
	}
}

// An image of Ceph that is not mapped is no volume to wake.
func TestReadDiskOfCeph(t *testing.T) {
	bin := t.TempDir()
	ok(t, os.WriteFile(filepath.Join(bin, "pvesm"), []byte("#!/bin/sh\necho /dev/rbd-pve/0b1c/rbd/vm-100-disk-0\n"), 0o755))
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	err := exec.Command("sh", "-c", diskScript, "disk", "ceph:vm-100-disk-0").Run()
	if exit := (*exec.ExitError)(nil); !errors.As(err, &exit) || exit.ExitCode() != 45 {
		t.Errorf("%v", err)
	}
}

// A logical volume that is asleep is woken, and put to sleep again.
func TestReadDiskOfASleepingVolume(t *testing.T) {
	dir, err := os.MkdirTemp("/dev/shm", "railiance")
	if err != nil {
		mustrun.Skip(t, "a folder below /dev")
	}
	defer os.RemoveAll(dir)
	bin := t.TempDir()
	lv := filepath.Join(dir, "lv")
	for name, script := range map[string]string{
		"pvesm":    "echo " + lv,
		"lvchange": `case "$1 $2" in "-ay -K") echo content > "$3" ;; *) echo "$@" > ` + filepath.Join(bin, "slept") + "; rm " + lv + " ;; esac",
	} {
		ok(t, os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/sh\n"+script+"\n"), 0o755))
	}
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	out, err := exec.Command("sh", "-c", diskScript, "disk", "local-lvm:vm-100-disk-0").Output()
	if err != nil || string(out) != "content\n" {
		t.Errorf("%q, %v", out, err)
	}
	if b, err := os.ReadFile(filepath.Join(bin, "slept")); string(b) != "-an "+lv+"\n" {
		t.Errorf("%q, %v", b, err)
	}
}
