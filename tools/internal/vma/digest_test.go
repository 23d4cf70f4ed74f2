package vma_test

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"testing"

	"github.com/railiance/railiance/tools/internal/vma"
	"github.com/railiance/railiance/tools/internal/vma/vmatest"
)

const cluster = 64 << 10

// content is noise that is the same for the same seed.
func content(seed byte, size int) []byte {
	b := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{seed}).Read(b)
	return b
}

func disk(name string, seed byte, size int) vmatest.Disk {
	return vmatest.Bytes(name, content(seed, size))
}

func sum(t *testing.T, disk []byte) vma.Digest {
	t.Helper()
	digest, size, err := vma.Sum(bytes.NewReader(disk))
	if err != nil || size != int64(len(disk)) {
		t.Fatalf("Sum: %d bytes of %d, %v", size, len(disk), err)
	}
	return digest
}

func TestDigestIgnoresOrder(t *testing.T) {
	disks := []vmatest.Disk{disk("drive-scsi0", 1, 40*cluster+4097), disk("drive-scsi1", 2, 33*cluster)}
	want := []vma.Digest{sum(t, content(1, 40*cluster+4097)), sum(t, content(2, 33*cluster))}
	reversed := vmatest.Ascending(disks)
	for i, j := 0, len(reversed)-1; i < j; i, j = i+1, j-1 {
		reversed[i], reversed[j] = reversed[j], reversed[i]
	}
	for name, order := range map[string][]vmatest.Cluster{
		"ascending": nil, "live": vmatest.Live(disks, 16, 1), "any": vmatest.Live(disks, 1000, 2), "reversed": reversed,
	} {
		guest := vmatest.Guest(disks...)
		guest.Order = order
		guest.Slots = 59 // more than vzdump puts there, and allowed
		archive, err := vma.Verify(bytes.NewReader(written(t, guest)))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for i, device := range archive.Devices {
			if device.Digest != want[i] {
				t.Errorf("%s: %s has digest %s, want %s", name, device.Name, device.Digest, want[i])
			}
		}
	}
}

func TestDigestSeesChanges(t *testing.T) {
	base := content(3, 4*cluster)
	swapped := bytes.Clone(base)
	copy(swapped, base[cluster:2*cluster])
	copy(swapped[cluster:], base[:cluster])
	flipped := bytes.Clone(base)
	flipped[2*cluster+77] ^= 0x10
	zeroed := bytes.Clone(base)
	clear(zeroed[:cluster])
	doubled := append(bytes.Clone(base[:cluster]), base[:cluster]...)
	seen := map[vma.Digest]string{{}: "nothing"}
	for name, disk := range map[string][]byte{
		"base": base, "swapped": swapped, "flipped": flipped, "zeroed": zeroed, "doubled": doubled,
		"shifted": append(make([]byte, cluster), base...), "short": base[:3*cluster],
	} {
		digest := sum(t, disk)
		if other, ok := seen[digest]; ok {
			t.Errorf("%s and %s have the same digest", name, other)
		}
		seen[digest] = name
	}
}

// A restore may round a volume up: zeros behind the end change nothing.
func TestDigestIgnoresZerosBehindTheEnd(t *testing.T) {
	base := content(4, 540672)
	if a, b := sum(t, base), sum(t, append(bytes.Clone(base), make([]byte, 3*cluster+1)...)); a != b {
		t.Errorf("%s, and with zeros %s", a, b)
	}
	if got := sum(t, make([]byte, 10*cluster)); got != (vma.Digest{}) {
		t.Errorf("zeros have digest %s", got)
	}
}

func TestDigestAsText(t *testing.T) {
	want := sum(t, content(5, 100))
	text, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var got vma.Digest
	if err := json.Unmarshal(text, &got); err != nil || got != want {
		t.Errorf("%s became %s, %v", text, got, err)
	}
	for _, wrong := range []string{"", "xxh3-64k:", "sha256:" + want.String()[len("xxh3-64k:"):], want.String() + "00", want.String()[:40] + "x"} {
		before := want
		if err := before.UnmarshalText([]byte(wrong)); err == nil || before != want {
			t.Errorf("%q was read as %s", wrong, before)
		}
	}
}
