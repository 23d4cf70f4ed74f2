package vma_test

import (
	"bytes"
	"testing"

	"github.com/railiance/railiance/tools/internal/vma"
	"github.com/railiance/railiance/tools/internal/vma/vmatest"
)

// Whatever an archive says, reading it must end with an error or with disks
// whose digests hold. The input tells how a small archive is changed, three
// bytes a change: a place, of those that mean something, and its new value.
// Every MD5 is made right afterwards, else nothing behind them would be reached.
func FuzzVerify(f *testing.F) {
	small := vmatest.Guest(disk("drive-scsi0", 1, 5000), vmatest.Bytes("drive-efidisk0", make([]byte, 70000)))
	small.Slots = 2
	base := written(f, small)
	var live []int
	region := func(from, to int) {
		for ; from < to; from++ {
			live = append(live, from)
		}
	}
	region(0, 64)                   // magic, sizes
	region(2044, 2052)              // names of two configs
	region(3068, 3076)              // their data
	region(4096, 4096+4*32)         // devices 0 to 3
	region(12288, headerSize(base)) // names and configs
	for _, at := range starts(base) {
		if at < len(base) {
			region(at, at+8)
			region(at+40, at+40+4*8)
		}
	}
	f.Add(uint16(len(base)), []byte{})
	f.Add(uint16(headerSize(base)), []byte{0, 7, 2})
	f.Add(uint16(len(base)), []byte{0, 80, 1, 1, 0, 255})
	f.Fuzz(func(t *testing.T, size uint16, changes []byte) {
		raw := bytes.Clone(base[:min(int(size), len(base))])
		for ; len(changes) >= 3; changes = changes[3:] {
			if at := live[(int(changes[0])<<8|int(changes[1]))%len(live)]; at < len(raw) {
				raw[at] = changes[2]
			}
		}
		if len(raw) >= 12288 && headerSize(raw) >= 12288 && headerSize(raw) <= len(raw) {
			seal(raw[:headerSize(raw)], 32)
			for _, at := range starts(raw) {
				if at+512 <= len(raw) {
					copy(raw[at+8:at+24], raw[8:24])
					seal(raw[at:at+512], 24)
				}
			}
		}
		archive, err := vma.Verify(bytes.NewReader(raw))
		if err != nil {
			if archive.Size != 0 || archive.Devices != nil {
				t.Fatalf("an archive and an error: %+v, %v", archive, err)
			}
			return
		}
		if archive.Size != int64(len(raw)) {
			t.Fatalf("%d bytes verified of %d", archive.Size, len(raw))
		}
		var total int64
		for _, device := range archive.Devices {
			total += device.Size
		}
		if total > 64<<20 {
			return // too much for a disk in memory
		}
		disks := map[string]*memory{}
		if _, err := vma.Extract(bytes.NewReader(raw), func(head vma.Archive) (map[string]vma.Target, error) {
			targets := map[string]vma.Target{}
			for _, device := range head.Devices {
				disks[device.Name] = &memory{}
				targets[device.Name] = disks[device.Name]
			}
			return targets, nil
		}); err != nil {
			t.Fatalf("verified, and not extracted: %v", err)
		}
		for _, device := range archive.Devices {
			digest, size, err := vma.Sum(bytes.NewReader(disks[device.Name].data))
			if err != nil || digest != device.Digest || size != device.Size {
				t.Fatalf("%s: %s, %d bytes, %v; in the archive %s, %d bytes", device.Name, digest, size, err, device.Digest, device.Size)
			}
		}
	})
}
