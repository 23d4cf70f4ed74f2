package guestread_test

import (
	"io"
	"os"
	"strings"
	"testing"

	"github.com/railiance/railiance/tools/internal/guestread"
	"github.com/railiance/railiance/tools/internal/guestset"
	"github.com/railiance/railiance/tools/internal/unseal"
	"github.com/railiance/railiance/tools/internal/vma"
)

// The archives that a real Proxmox made, as stock zstd packed them, against the
// account of the day of their backup. Proxmox's own verification takes all three
// of the damaged ones.
func TestRecordedArchives(t *testing.T) {
	// Where the disk was damaged afterwards, its account is that of the whole one.
	for name, c := range map[string]struct{ account, reason string }{
		"single-24M":           {"single-24M", ""},
		"multi-efi-tpm":        {"multi-efi-tpm", ""},
		"nodisk":               {"nodisk", ""},
		"damaged-bitflip-data": {"multi-efi-tpm", "disk drive-scsi0: is not what was backed up: digest xxh3-64k:a84da036"},
		"damaged-cut-at-extent": {"multi-efi-tpm", "offset 2681856: the archive ends and is not complete:" +
			" device drive-scsi0: cluster 68 (disk offset 4456448) is missing"},
		"damaged-duplicate-extent": {"multi-efi-tpm", "offset 2681856: extent 3: slot 0: device drive-scsi0: cluster 33"},
	} {
		t.Run(name, func(t *testing.T) {
			whole, err := vma.Verify(recorded(t, c.account))
			if err != nil {
				t.Fatal(err)
			}
			about := guestset.About{}
			for _, d := range whole.Devices {
				about.Disks = append(about.Disks, guestset.Disk{Key: d.Name, Device: d.Name, Size: d.Size, Stored: d.Stored, Digest: d.Digest})
			}
			err = guestread.Check(guestset.KindVMA, recorded(t, name), about)
			if c.reason == "" && err != nil || c.reason != "" && (err == nil || !strings.Contains(err.Error(), c.reason)) {
				t.Errorf("%v, want %q", err, c.reason)
			}
		})
	}
}

func recorded(t *testing.T, name string) io.Reader {
	t.Helper()
	f, err := os.Open("../vma/testdata/" + name + ".vma.zst")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	z, err := unseal.Zstd(f)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = z.Close() })
	return z
}
