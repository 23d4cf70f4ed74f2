package vma_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"os"
	"testing"

	"github.com/railiance/railiance/tools/internal/vma"
	"github.com/railiance/railiance/tools/internal/vma/vmatest"
)

// The writer of the tests, given the parts of a real archive, must write that
// archive again, byte by byte. The order of clusters is read here without
// package vma, so that both would have to be wrong in the same way.
func TestWriterWritesSamplesAgain(t *testing.T) {
	for _, name := range []string{"single-24M", "multi-efi-tpm", "nodisk"} {
		t.Run(name, func(t *testing.T) {
			raw := sample(t, name)
			disks := map[string]*memory{}
			archive, err := vma.Extract(bytes.NewReader(raw), func(head vma.Archive) (map[string]vma.Target, error) {
				targets := map[string]vma.Target{}
				for _, device := range head.Devices {
					disks[device.Name] = &memory{}
					targets[device.Name] = disks[device.Name]
				}
				return targets, nil
			})
			if err != nil {
				t.Fatal(err)
			}
			again := vmatest.Archive{UUID: archive.UUID, Created: archive.Created.Unix(), Order: []vmatest.Cluster{}}
			for _, config := range archive.Configs {
				again.Files = append(again.Files, vmatest.File(config))
			}
			for _, device := range archive.Devices {
				again.Disks = append(again.Disks, vmatest.Bytes(device.Name, disks[device.Name].data))
			}
			for at := int(binary.BigEndian.Uint32(raw[56:])); at < len(raw); {
				for i := range 59 {
					if slot := binary.BigEndian.Uint64(raw[at+40+8*i:]); slot>>32&0xff != 0 {
						again.Order = append(again.Order, vmatest.Cluster{Disk: int(slot>>32&0xff) - 1, Number: uint32(slot)})
					}
				}
				at += 512 + 4096*int(binary.BigEndian.Uint16(raw[at+6:]))
			}
			written := written(t, again)
			if !bytes.Equal(written, raw) {
				for i := range min(len(written), len(raw)) {
					if written[i] != raw[i] {
						t.Fatalf("differs at offset %d", i)
					}
				}
				t.Fatalf("%d bytes, want %d", len(written), len(raw))
			}
		})
	}
}

// Of the archive that vzdump made with its dump directory full, 64 bytes were
// kept. The MD5 in them proves the whole header: two disks and an empty config.
func TestEmptyConfigAsRecorded(t *testing.T) {
	head, err := os.ReadFile("testdata/empty-config.head.bin")
	if err != nil {
		t.Fatal(err)
	}
	archive := vmatest.Archive{
		Created: int64(binary.BigEndian.Uint64(head[24:])),
		Files:   []vmatest.File{{Name: "qemu-server.conf"}},
		Disks: []vmatest.Disk{
			vmatest.Bytes("drive-scsi0", make([]byte, 64<<20)),
			vmatest.Bytes("drive-scsi1", make([]byte, 10252<<10)),
		},
	}
	copy(archive.UUID[:], head[8:])
	raw := written(t, archive)
	if !bytes.Equal(raw[:len(head)], head) {
		t.Errorf("the header begins with\n%swant\n%s", hex.Dump(raw[:len(head)]), hex.Dump(head))
	}
	_, err = vma.Verify(bytes.NewReader(raw))
	const want = "offset 12288: qemu-server.conf is empty: vzdump reports success with such an archive when its dump directory is full;" +
		" make room there and back up again"
	if err == nil || err.Error() != want {
		t.Errorf("Verify: %v\nwant: %s", err, want)
	}
}

func written(t testing.TB, archive vmatest.Archive) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := archive.Write(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// memory is a disk in memory.
type memory struct{ data []byte }

func (m *memory) Truncate(size int64) error {
	m.data = append(make([]byte, 0, size), m.data[:min(size, int64(len(m.data)))]...)[:size]
	return nil
}

func (m *memory) WriteAt(p []byte, at int64) (int, error) { return copy(m.data[at:], p), nil }
