package vma_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/railiance/railiance/tools/internal/vma"
	"github.com/railiance/railiance/tools/internal/vma/vmatest"
)

func TestExtractIsSparse(t *testing.T) {
	dir := t.TempDir()
	root := openRoot(t, dir)
	archive, err := vma.ExtractTo(bytes.NewReader(sample(t, "multi-efi-tpm")), root)
	if err != nil {
		t.Fatal(err)
	}
	for _, device := range archive.Devices {
		info, err := os.Stat(filepath.Join(dir, "disk-"+device.Name+".raw"))
		if err != nil {
			t.Fatal(err)
		}
		// The file system may need a few blocks of its own.
		allocated := info.Sys().(*syscall.Stat_t).Blocks * 512
		if allocated > device.Stored+64<<10 || device.Stored >= device.Size {
			t.Errorf("%s: %d bytes allocated for %d stored of %d", device.Name, allocated, device.Stored, device.Size)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", device.Name, info.Mode())
		}
	}
}

func TestExtractToWritesOverNothing(t *testing.T) {
	raw := written(t, vmatest.Guest(disk("drive-scsi0", 5, 4096)))
	for _, name := range []string{"qemu-server.conf", "disk-drive-scsi0.raw"} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, name), []byte("mine"), 0o600); err != nil {
			t.Fatal(err)
		}
		archive, err := vma.ExtractTo(bytes.NewReader(raw), openRoot(t, dir))
		if !errors.Is(err, fs.ErrExist) || archive.Size != 0 {
			t.Errorf("%s exists: %+v, %v", name, archive, err)
		}
		if kept, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(kept) != "mine" {
			t.Errorf("%s is now %q, %v", name, kept, err)
		}
	}
}

// One disk of several is wanted, and what its target held must not shine
// through where the disk is zero.
func TestExtractOne(t *testing.T) {
	want := content(6, 200<<10)
	clear(want[64<<10 : 128<<10])
	clear(want[132<<10 : 140<<10])
	raw := written(t, vmatest.Guest(disk("drive-scsi0", 5, 300<<10), vmatest.Bytes("drive-scsi1", want)))
	target := &memory{data: bytes.Repeat([]byte("old"), 100<<10)}
	archive, err := vma.Extract(bytes.NewReader(raw), func(head vma.Archive) (map[string]vma.Target, error) {
		if len(head.Configs) != 1 || len(head.Devices) != 2 || head.Devices[1].Size != int64(len(want)) {
			t.Errorf("open was called with %+v", head)
		}
		return map[string]vma.Target{"drive-scsi1": target}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(target.data, want) {
		t.Error("the disk is another one")
	}
	if digest, _, err := vma.Sum(bytes.NewReader(want)); err != nil || digest != archive.Devices[1].Digest {
		t.Errorf("digest %s, want %s, %v", archive.Devices[1].Digest, digest, err)
	}
}

func TestExtractFails(t *testing.T) {
	full := errors.New("no space left")
	raw := written(t, vmatest.Guest(disk("drive-scsi0", 5, 200<<10)))
	tests := []struct {
		name   string
		open   func(vma.Archive) (map[string]vma.Target, error)
		reason string
	}{
		{"open", func(vma.Archive) (map[string]vma.Target, error) { return nil, full }, "no space left"},
		{"truncate", give(broken{truncate: full}), "device drive-scsi0: making room for 204800 bytes"},
		{"write", give(broken{write: full}), "device drive-scsi0: cluster 0: writing at disk offset 0"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			archive, err := vma.Extract(bytes.NewReader(raw), test.open)
			if !errors.Is(err, full) || !strings.Contains(err.Error(), test.reason) || archive.Size != 0 {
				t.Errorf("%+v, %v, want %q", archive, err, test.reason)
			}
		})
	}
}

func give(target vma.Target) func(vma.Archive) (map[string]vma.Target, error) {
	return func(vma.Archive) (map[string]vma.Target, error) {
		return map[string]vma.Target{"drive-scsi0": target}, nil
	}
}

type broken struct{ truncate, write error }

func (b broken) Truncate(int64) error { return b.truncate }

func (b broken) WriteAt(p []byte, _ int64) (int, error) { return 0, b.write }

func openRoot(t *testing.T, dir string) *os.Root {
	t.Helper()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	return root
}
