package vma_test

import (
	"bytes"
	"encoding/binary"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/railiance/railiance/tools/internal/vma"
	"github.com/railiance/railiance/tools/internal/vma/vmatest"
)

func put16(p []byte, v uint16) { binary.BigEndian.PutUint16(p, v) }
func put32(p []byte, v uint32) { binary.BigEndian.PutUint32(p, v) }
func put64(p []byte, v uint64) { binary.BigEndian.PutUint64(p, v) }

func TestForgedHeader(t *testing.T) {
	const (
		conf    = 12288 + 1 + 2 // where the name of the first config lies
		device1 = 4096 + 32
		device2 = 4096 + 64
	)
	tests := []struct {
		name   string
		forge  func(raw []byte)
		reason string
	}{
		{"magic", func(raw []byte) { raw[3] = 1 }, "offset 0: this is no VMA archive"},
		{"version", func(raw []byte) { raw[7] = 2 }, "offset 4: version 2"},
		{"header too small", func(raw []byte) { put32(raw[56:], 12288) }, "offset 56: a header of 12288 bytes"},
		{"header too large", func(raw []byte) { put32(raw[56:], 512<<10+1) }, "offset 56: a header of 524289 bytes"},
		{"header huge", func(raw []byte) { put32(raw[56:], 1<<32-1) }, "offset 56: a header of 4294967295 bytes"},
		{"blobs in the header", func(raw []byte) { put32(raw[48:], 12287) }, "offset 48: names at 12287"},
		{"blobs behind the header", func(raw []byte) { put32(raw[48:], 12801) }, "offset 48: names at 12801"},
		{"blobs too large", func(raw []byte) { put32(raw[52:], 513) }, "offset 48: names at 12288, of 513 bytes"},
		{"blobs wrap around", func(raw []byte) { put32(raw[52:], 1<<32-1) }, "offset 48: names at 12288, of 4294967295 bytes"},
		{"created before 1970", func(raw []byte) { put64(raw[24:], 1<<63) }, "offset 24: -9223372036854775808 seconds"},
		{"created after 9999", func(raw []byte) { put64(raw[24:], 253402300800) }, "offset 24: 253402300800 seconds"},
		{"config without data", func(raw []byte) { put32(raw[3068:], 0) }, "offset 2044: config 0 has a name or data, not both"},
		{"config without name", func(raw []byte) { put32(raw[2044:], 0) }, "offset 2044: config 0 has a name or data, not both"},
		{"config twice", func(raw []byte) { copy(raw[2048:2052], raw[2044:]); copy(raw[3072:3076], raw[3068:]) },
			"offset 2048: config qemu-server.conf is there twice"},
		{"config of another name", func(raw []byte) { raw[conf] = 'k' }, "offset 12288: qemu-server.conf is missing"},
		{"config in a folder", func(raw []byte) { raw[conf+4] = '/' }, `offset 2044: name of config 0: "qemu/server.conf" is not made of`},
		{"config hidden", func(raw []byte) { raw[conf] = '.' }, "offset 2044: name of config 0"},
		{"config as an option", func(raw []byte) { raw[conf] = '-' }, "offset 2044: name of config 0"},
		{"config with an escape", func(raw []byte) { raw[conf] = 27 }, `offset 2044: name of config 0: "\x1bemu-server.conf"`},
		{"config with a zero byte", func(raw []byte) { raw[conf+4] = 0 }, "offset 2044: name of config 0"},
		{"name without an end", func(raw []byte) { raw[conf+16] = 'x' }, "does not end with a zero byte"},
		{"name of one zero", func(raw []byte) { raw[conf-2] = 1; raw[conf] = 0 }, `name of config 0: "" is not made of`},
		{"name of nothing", func(raw []byte) { raw[conf-2] = 0 }, `name of config 0: "" does not end`},
		{"name behind the buffer", func(raw []byte) { put32(raw[2044:], 1<<32-1) }, "name of config 0: place 4294967295 does not lie"},
		{"name at the edge", func(raw []byte) { put32(raw[2044:], binary.BigEndian.Uint32(raw[52:])-1) }, "does not lie in a buffer"},
		{"name too long", func(raw []byte) { raw[conf-1] = 0xff }, "name of config 0: 65297 bytes at place 1 do not fit"},
		{"data too long", func(raw []byte) { raw[conf+17+1] = 0xff }, "offset 3068: config qemu-server.conf:"},
		{"device without a name", func(raw []byte) { put32(raw[device1:], 0) }, "offset 4128: name of device 1: place 0"},
		{"device twice", func(raw []byte) { copy(raw[device2:device2+4], raw[device1:]) },
			"offset 4160: device drive-scsi0 is there twice, as 1 and 2"},
		{"device 0", func(raw []byte) { raw[4096+15] = 1 }, "offset 4096: device 0 has a size"},
		{"device too large", func(raw []byte) { put64(raw[device1+8:], 64<<40+1) }, "offset 4128: device drive-scsi0: with its 70368744177665 bytes"},
		{"device negative", func(raw []byte) { put64(raw[device1+8:], 1<<64-1) }, "offset 4128: device drive-scsi0"},
		{"devices too large together", func(raw []byte) { put64(raw[device1+8:], 32<<40); put64(raw[device2+8:], 32<<40+1) },
			"offset 4160: device drive-efidisk0"},
		{"sizes wrap around", func(raw []byte) { put64(raw[device1+8:], 32<<40); put64(raw[device2+8:], 1<<64-1) },
			"offset 4160: device drive-efidisk0: with its 18446744073709551615 bytes"},
		{"device unmapped", func(raw []byte) { raw[bytes.Index(raw, []byte("#qmdump#map:scsi0"))] = ' ' },
			"offset 12288: device drive-scsi0: qemu-server.conf does not say which drive"},
		{"map broken", func(raw []byte) { raw[bytes.Index(raw, []byte(":raw:\n"))] = ' ' }, "does not map a drive"},
		{"mapped device missing", func(raw []byte) { put64(raw[device2+8:], 0) },
			`offset 12288: device "drive-efidisk0": qemu-server.conf has drive "efidisk0" on it`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			raw := written(t, guest())
			size := headerSize(raw)
			test.forge(raw)
			seal(raw[:size], 32)
			refused(t, raw, test.reason)
		})
	}
}

func TestForgedExtent(t *testing.T) {
	tests := []struct {
		name   string
		forge  func(head []byte)
		reason string
	}{
		{"magic", func(head []byte) { head[3] = 'F' }, "it does not begin with VMAE"},
		{"uuid", func(head []byte) { head[8] ^= 1 }, "it belongs to archive 69"},
		{"reserved bytes", func(head []byte) { head[5] = 1 }, "its reserved bytes are set"},
		{"reserved bits", func(head []byte) { head[40+8*3+2] = 1 }, "slot 3: its reserved bits are set"},
		{"fewer blocks", func(head []byte) { put16(head[6:], 559) }, "it says that 559 blocks follow, and its slots name 560"},
		{"more blocks", func(head []byte) { put16(head[6:], 65535) }, "it says that 65535 blocks follow"},
		{"data of no device", func(head []byte) { head[40+8*34+3] = 0 }, "slot 34: it holds data of no device"},
		{"unknown device", func(head []byte) { head[40+8*34+3] = 3 }, "slot 34: device 3 is not in the header"},
		{"last device", func(head []byte) { head[40+8*34+3] = 255 }, "slot 34: device 255 is not in the header"},
		{"behind the end", func(head []byte) { head[40+8*34+7] = 70 }, "slot 34: device drive-scsi0: cluster 70 lies behind its end: it has 70"},
		{"far behind the end", func(head []byte) { put32(head[40+8*34+4:], 1<<32-1) }, "cluster 4294967295 lies behind its end"},
		{"block behind the end", func(head []byte) { put64(head[40+8*34:], 0xffff<<48|2<<32|8) },
			"slot 34: device drive-efidisk0: cluster 8: block 15 lies behind the end of the device"},
		{"cluster twice", func(head []byte) { copy(head[40+8*34:], head[40:48]) },
			"slot 34: device drive-scsi0: cluster 35 (disk offset 2293760) is there twice"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			raw := written(t, guest())
			at := starts(raw)[1]
			test.forge(raw[at : at+512])
			seal(raw[at:at+512], 24)
			reason := "offset " + strconv.Itoa(at) + ": extent 1: "
			refused(t, raw, reason)
			refused(t, raw, test.reason)
		})
	}
}

func TestLongNames(t *testing.T) {
	longest := "drive-" + strings.Repeat("x", 122)
	if _, err := vma.Verify(bytes.NewReader(written(t, vmatest.Guest(disk(longest, 1, 5000))))); err != nil {
		t.Error(err)
	}
	refused(t, written(t, vmatest.Guest(disk(longest+"x", 1, 5000))), "offset 4128: name of device 1: ")
}

// The sizes that a header claims cost nothing as long as no clusters come, and
// clusters far apart cost a page each, not a whole disk.
func TestForgedSizesCostNoMemory(t *testing.T) {
	g := vmatest.Guest(vmatest.Disk{Name: "drive-scsi0", Size: 63 << 40, Content: zeros{}})
	last := uint32(63<<24 - 1)
	g.Order = []vmatest.Cluster{{Number: 0}, {Number: 1}, {Number: last}, {Number: 40000}}
	raw := written(t, g)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := vma.Verify(bytes.NewReader(raw))
	runtime.ReadMemStats(&after)
	if err == nil || !strings.Contains(err.Error(), "device drive-scsi0: cluster 2 (disk offset 131072) is missing, 1056964604 of 1056964608 in all") {
		t.Errorf("Verify: %v", err)
	}
	if used := after.TotalAlloc - before.TotalAlloc; used > 1<<20 {
		t.Errorf("%d bytes for a forged size", used)
	}
}

// zeros is a disk without end.
type zeros struct{}

func (zeros) ReadAt(p []byte, _ int64) (int, error) {
	clear(p)
	return len(p), nil
}
