package vma_test

import (
	"bytes"
	"crypto/md5"
	"encoding/binary"
	"errors"
	"io"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/railiance/railiance/tools/internal/vma"
	"github.com/railiance/railiance/tools/internal/vma/vmatest"
)

// guest has two disks, of 70 clusters and of 8.25, in three extents of 35, 35
// and 9 clusters.
func guest() vmatest.Archive {
	g := vmatest.Guest(disk("drive-scsi0", 1, 70*cluster), disk("drive-efidisk0", 2, 540672))
	g.Slots = 35
	return g
}

// starts returns where the extents of an archive start, and where the last ends.
func starts(raw []byte) []int {
	var at []int
	next := headerSize(raw)
	for next+512 <= len(raw) {
		at = append(at, next)
		next += 512 + 4096*int(binary.BigEndian.Uint16(raw[next+6:]))
	}
	return append(at, next)
}

func headerSize(raw []byte) int { return int(binary.BigEndian.Uint32(raw[56:])) }

// seal makes the MD5 of a header right, as a forger would.
func seal(head []byte, at int) {
	clear(head[at : at+16])
	sum := md5.Sum(head)
	copy(head[at:], sum[:])
}

// Whatever byte of a head changes, its MD5 tells.
func TestDamagedHeads(t *testing.T) {
	raw := written(t, guest())
	for _, at := range append(starts(raw)[:3], 0) {
		size := 512
		if at == 0 {
			size = headerSize(raw)
		}
		for i := at; i < at+size; i += 7 {
			raw[i] ^= 0x40
			if _, err := vma.Verify(bytes.NewReader(raw)); err == nil {
				t.Errorf("a changed byte at %d was not seen", i)
			}
			raw[i] ^= 0x40
		}
	}
	raw[100] = 1
	refused(t, raw, "offset 32: the MD5 of the header is wrong")
	raw[100] = 0
	raw[starts(raw)[2]+200] ^= 1
	refused(t, raw, "offset "+strconv.Itoa(starts(raw)[2])+": extent 2: the MD5 of its head is wrong")
}

func TestTorn(t *testing.T) {
	raw := written(t, guest())
	at := starts(raw)
	for cut := 0; cut < len(raw); cut += 60013 {
		if _, err := vma.Verify(bytes.NewReader(raw[:cut])); err == nil || errors.Is(err, io.EOF) {
			t.Fatalf("an archive cut at %d: %v", cut, err)
		}
	}
	without := func(extents ...int) []byte {
		b := bytes.Clone(raw[:at[0]])
		for _, i := range extents {
			b = append(b, raw[at[i]:at[i+1]]...)
		}
		return b
	}
	end := func(i int) string { return "offset " + strconv.Itoa(at[i]) + ": " }
	none := written(t, vmatest.Guest())
	tests := []struct {
		name   string
		raw    []byte
		reason string
	}{
		{"nothing", nil, "offset 0: the header is cut short after 0 bytes"},
		{"in the fixed part", raw[:12000], "offset 0: the header is cut short after 12000 bytes"},
		{"between its parts", raw[:12288], "offset 0: the header is cut short after 12288 of 12800 bytes"},
		{"in the names", raw[:12300], "offset 0: the header is cut short after 12300 of 12800 bytes"},
		{"header alone", raw[:at[0]], end(0) + "the archive ends behind its header"},
		{"header alone, no disks", none[:headerSize(none)], "the archive ends behind its header"},
		{"in the head of an extent", raw[:at[1]+100], end(1) + "the head of extent 1 is cut short after 100 bytes"},
		{"before the data", raw[:at[1]+512], "offset " + strconv.Itoa(at[1]+512) + ": extent 1: device drive-scsi0: cluster 35: its data is cut short"},
		{"in the data", raw[:at[1]+512+cluster+5], "offset " + strconv.Itoa(at[1]+512+cluster+5) + ": extent 1: device drive-scsi0: cluster 36: its data is cut short"},
		{"after one extent", without(0), end(1) + "the archive ends and is not complete: device drive-scsi0: cluster 35 (disk offset 2293760)" +
			" is missing, 35 of 70 in all; device drive-efidisk0: cluster 0 (disk offset 0) is missing, 9 of 9 in all"},
		{"after two extents", without(0, 1), end(2) + "the archive ends and is not complete: device drive-efidisk0: cluster 0 (disk offset 0) is missing, 9 of 9 in all"},
		{"first extent dropped", without(1, 2), "device drive-scsi0: cluster 0 (disk offset 0) is missing, 35 of 70 in all"},
		{"middle extent dropped", without(0, 2), "device drive-scsi0: cluster 35 (disk offset 2293760) is missing, 35 of 70 in all"},
		{"extent twice", without(0, 1, 1, 2), end(2) + "extent 2: slot 0: device drive-scsi0: cluster 35 (disk offset 2293760) is there twice"},
		{"something behind", append(bytes.Clone(raw), make([]byte, 512)...), end(3) + "extent 3: it does not begin with VMAE"},
		{"a byte behind", append(bytes.Clone(raw), 0), end(3) + "the head of extent 3 is cut short after 1 bytes"},
		{"two archives", append(bytes.Clone(raw), raw...), end(3) + "extent 3: it does not begin with VMAE"},
		{"a byte lost", append(bytes.Clone(raw[:at[1]+700]), raw[at[1]+701:]...), end(2) + "extent 2: it does not begin with VMAE"},
		{"compressed", []byte("\x28\xb5\x2f\xfd" + strings.Repeat("x", 20000)), "this is no VMA archive"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			refused(t, test.raw, test.reason)
			// io.EOF would look like a good end to those who copy streams.
			if _, err := vma.Verify(bytes.NewReader(test.raw)); errors.Is(err, io.EOF) {
				t.Errorf("the reason is an io.EOF: %v", err)
			}
		})
	}
	for name, kept := range map[string][]byte{"extents in another order": without(2, 0, 1), "no disks": none} {
		if _, err := vma.Verify(bytes.NewReader(kept)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestOneClusterMissing(t *testing.T) {
	for drop := range 79 {
		g := guest()
		order := vmatest.Ascending(g.Disks)
		lost := order[drop]
		g.Order = append(order[:drop:drop], order[drop+1:]...)
		refused(t, written(t, g), "device "+g.Disks[lost.Disk].Name+": cluster "+strconv.Itoa(int(lost.Number))+" (disk offset ")
	}
}

// The last block of a disk may be padded with anything: it is no part of it.
func TestPaddingIsNoPartOfTheDisk(t *testing.T) {
	g := vmatest.Guest(disk("drive-scsi0", 1, 5000))
	raw := written(t, g)
	raw[len(raw)-1] = 1
	target := &memory{}
	archive, err := vma.Extract(bytes.NewReader(raw), give(target))
	if err != nil || !bytes.Equal(target.data, content(1, 5000)) || archive.Devices[0].Digest != sum(t, target.data) {
		t.Errorf("%+v, %v", archive, err)
	}
}

// What is stored although it is zero is the same disk as what is left out.
func TestStoredZeros(t *testing.T) {
	base := content(1, 3*cluster)
	raw := written(t, vmatest.Guest(vmatest.Bytes("drive-scsi0", base)))
	clear(raw[len(raw)-2*cluster : len(raw)-cluster])
	clear(base[cluster : 2*cluster])
	archive, err := vma.Verify(bytes.NewReader(raw))
	if err != nil || archive.Devices[0].Digest != sum(t, base) || archive.Devices[0].Stored != 3*cluster {
		t.Errorf("%+v, %v", archive, err)
	}
}

// The state of the RAM is no drive, so that no drive is mapped to it.
func TestRAMState(t *testing.T) {
	g := vmatest.Guest(disk("drive-scsi0", 1, 5000))
	g.Disks = append(g.Disks, disk("vmstate", 2, 5000))
	archive, err := vma.Verify(bytes.NewReader(written(t, g)))
	if err != nil || len(archive.Devices) != 2 {
		t.Errorf("%+v, %v", archive, err)
	}
}

// A failing source is told from an archive that ends.
func TestSourceFails(t *testing.T) {
	raw := written(t, guest())
	lost := errors.New("ssh went away")
	for _, at := range []int{0, 100, 12500, starts(raw)[1], starts(raw)[1] + 5, starts(raw)[1] + 5000} {
		_, err := vma.Verify(io.MultiReader(bytes.NewReader(raw[:at]), iotest.ErrReader(lost)))
		if !errors.Is(err, lost) || !strings.HasPrefix(err.Error(), "offset ") {
			t.Errorf("at %d: %v", at, err)
		}
	}
	if _, err := vma.Verify(iotest.OneByteReader(bytes.NewReader(written(t, vmatest.Guest(disk("drive-scsi0", 1, 70000)))))); err != nil {
		t.Errorf("byte by byte: %v", err)
	}
}

func refused(t *testing.T, raw []byte, reason string) {
	t.Helper()
	archive, err := vma.Verify(bytes.NewReader(raw))
	if err == nil || !strings.Contains(err.Error(), reason) {
		t.Errorf("Verify: %v\nwant: %s", err, reason)
	}
	if archive.Size != 0 || archive.Devices != nil || archive.Configs != nil {
		t.Errorf("an archive was returned: %+v", archive)
	}
}
