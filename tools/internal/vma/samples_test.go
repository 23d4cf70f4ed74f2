package vma_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/railiance/railiance/tools/internal/vma"
)

// recorded is what testdata/manifest.json tells of an archive that vzdump made:
// what Proxmox's own extraction wrote, and how each damage was done.
type recorded struct {
	File    string
	Bytes   int64  `json:"vma_bytes"`
	SHA256  string `json:"vma_sha256"`
	Extents int
	Valid   bool
	Disks   map[string]struct {
		Size   int64
		SHA256 string
	}
	Configs map[string]struct {
		Size   int
		SHA256 string
	}
}

func samples(t *testing.T) map[string]recorded {
	t.Helper()
	text, err := os.ReadFile("testdata/manifest.json")
	if err != nil {
		t.Fatal(err)
	}
	var manifest struct{ Archives []recorded }
	if err := json.Unmarshal(text, &manifest); err != nil {
		t.Fatal(err)
	}
	all := map[string]recorded{}
	for _, r := range manifest.Archives {
		all[strings.TrimSuffix(r.File, ".vma.zst")] = r
	}
	return all
}

func sample(t testing.TB, name string) []byte {
	t.Helper()
	f, err := os.Open("testdata/" + name + ".vma.zst")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := zstd.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	var b bytes.Buffer
	if _, err := b.ReadFrom(z); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func hash(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// The digests were computed from the same archives by a few lines of Python
// with the reference implementation of XXH3.
func TestSamples(t *testing.T) {
	const (
		efi   = "xxh3-64k:1d4a75de329e3d4fe62b6dfaf5f4f013"
		tpm   = "xxh3-64k:d6a90ecef3e7fe7ab1e368ea5eb1cdce"
		virt1 = "xxh3-64k:20851a9ec1a36aa2e36c2ab00321cbeb"
	)
	all := samples(t)
	tests := []struct {
		name    string
		digests map[string]string // nil where the archive is refused
		reason  string
	}{
		{name: "single-24M", digests: map[string]string{"drive-scsi0": "xxh3-64k:8ed37481dab4fb2d0ddf1559e2338c24"}},
		{name: "multi-efi-tpm", digests: map[string]string{
			"drive-efidisk0": efi, "drive-scsi0": "xxh3-64k:5bbb9936808864d67304517200b7a2d2",
			"drive-tpmstate0-backup": tpm, "drive-virtio1": virt1}},
		{name: "nodisk", digests: map[string]string{}},
		// Nobody can see this one from the archive alone: its scsi0 has
		// another digest than that of multi-efi-tpm, and that is all.
		{name: "damaged-bitflip-data", digests: map[string]string{
			"drive-efidisk0": efi, "drive-scsi0": "xxh3-64k:a84da036e31083788e2d6a34efc2c3c2",
			"drive-tpmstate0-backup": tpm, "drive-virtio1": virt1}},
		{name: "damaged-cut-at-extent", reason: "offset 2681856: the archive ends and is not complete:" +
			" device drive-scsi0: cluster 68 (disk offset 4456448) is missing, 124 of 192 in all"},
		{name: "damaged-duplicate-extent", reason: "offset 2681856: extent 3: slot 0: device drive-scsi0:" +
			" cluster 33 (disk offset 2162688) is there twice"},
	}
	if len(tests) != len(all) {
		t.Errorf("%d cases for %d recorded archives", len(tests), len(all))
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			want, ok := all[test.name]
			if !ok {
				t.Fatal("not in the manifest")
			}
			raw := sample(t, test.name)
			if hash(raw) != want.SHA256 {
				t.Fatal("the sample is not the recorded one")
			}
			archive, err := vma.Verify(bytes.NewReader(raw))
			dir := t.TempDir()
			root, rootErr := os.OpenRoot(dir)
			if rootErr != nil {
				t.Fatal(rootErr)
			}
			defer root.Close()
			extracted, extractErr := vma.ExtractTo(bytes.NewReader(raw), root)
			if test.reason != "" {
				if err == nil || err.Error() != test.reason {
					t.Errorf("Verify: %v\nwant: %s", err, test.reason)
				}
				if extractErr == nil || extractErr.Error() != test.reason {
					t.Errorf("ExtractTo: %v\nwant: %s", extractErr, test.reason)
				}
				return
			}
			if err != nil || extractErr != nil {
				t.Fatalf("Verify: %v; ExtractTo: %v", err, extractErr)
			}
			if archive.Size != want.Bytes || archive.Extents != want.Extents {
				t.Errorf("%d bytes in %d extents, want %d in %d", archive.Size, archive.Extents, want.Bytes, want.Extents)
			}
			if len(archive.Devices) != len(test.digests) || len(extracted.Devices) != len(test.digests) {
				t.Fatalf("%d devices verified, %d extracted, want %d", len(archive.Devices), len(extracted.Devices), len(test.digests))
			}
			for i, device := range archive.Devices {
				if device != extracted.Devices[i] {
					t.Errorf("verified %+v, extracted %+v", device, extracted.Devices[i])
				}
				if device.Digest.String() != test.digests[device.Name] {
					t.Errorf("%s: digest %s, want %s", device.Name, device.Digest, test.digests[device.Name])
				}
				path := filepath.Join(dir, "disk-"+device.Name+".raw")
				disk, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				if digest, size, err := vma.Sum(bytes.NewReader(disk)); err != nil || digest != device.Digest || size != device.Size {
					t.Errorf("%s on disk: %s, %d bytes, %v; in the archive %s, %d bytes", device.Name, digest, size, err, device.Digest, device.Size)
				}
				if !want.Valid {
					continue
				}
				if recorded := want.Disks[device.Name]; device.Size != recorded.Size || hash(disk) != recorded.SHA256 {
					t.Errorf("%s: %d bytes with SHA-256 %s, want %+v", device.Name, device.Size, hash(disk), recorded)
				}
			}
			if want.Valid && len(archive.Configs) != len(want.Configs) {
				t.Errorf("%d configs, want %d", len(archive.Configs), len(want.Configs))
			}
			for _, config := range archive.Configs {
				onDisk, err := os.ReadFile(filepath.Join(dir, config.Name))
				if err != nil || !bytes.Equal(onDisk, config.Data) {
					t.Errorf("%s was extracted as %q, %v", config.Name, onDisk, err)
				}
				if recorded := want.Configs[config.Name]; want.Valid && (len(config.Data) != recorded.Size || hash(config.Data) != recorded.SHA256) {
					t.Errorf("%s: %d bytes with SHA-256 %s, want %+v", config.Name, len(config.Data), hash(config.Data), recorded)
				}
			}
		})
	}
}
