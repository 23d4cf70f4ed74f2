// Package vmatest makes VMA archives for tests and benchmarks, as vzdump makes
// them, or as it never would.
//
// The one thing to know: the order of clusters is the caller's, so a cluster
// that is left out or named twice makes the archive of a bad day; what is
// written is otherwise correct to the byte.
package vmatest

import (
	"bytes"
	"crypto/md5" // the format's own
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
)

const (
	blockSize   = 4096
	clusterSize = 16 * blockSize
	extentHead  = 512
	headSize    = 12288
)

// Slots is how many clusters vzdump puts into an extent; 59 would fit.
const Slots = 58

// File is a config of the header.
type File struct {
	Name string
	Data []byte
}

// Disk is a disk of the guest; the first one is device 1.
type Disk struct {
	Name    string // drive-scsi0
	Size    int64  // bytes
	Content io.ReaderAt
}

// Cluster names 64 KiB of a disk: its index in Disks, and its number.
type Cluster struct {
	Disk   int
	Number uint32
}

// Archive is what Write writes.
type Archive struct {
	UUID    [16]byte
	Created int64 // seconds since 1970
	Files   []File
	Disks   []Disk
	// Order is that of the clusters; nil means Ascending.
	Order []Cluster
	// Slots is the number of clusters in an extent; 0 means 58, as vzdump.
	Slots int
}

// Bytes is a disk with that content.
func Bytes(name string, content []byte) Disk {
	return Disk{Name: name, Size: int64(len(content)), Content: bytes.NewReader(content)}
}

// Guest is a whole archive of those disks, named drive-<bus><n>, with the
// configuration that a restore needs. Its uuid and time are always the same.
func Guest(disks ...Disk) Archive {
	a := Archive{
		UUID:    [16]byte{0x68, 0x1f, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14},
		Created: 1795276800,
		Disks:   disks,
	}
	var config strings.Builder
	config.WriteString("cores: 1\nmemory: 512\nname: web-01\n")
	for _, disk := range disks {
		drive := strings.TrimSuffix(strings.TrimPrefix(disk.Name, "drive-"), "-backup")
		fmt.Fprintf(&config, "#qmdump#map:%s:%s:local-lvm:raw:\n", drive, disk.Name)
	}
	a.Files = []File{{"qemu-server.conf", []byte(config.String())}}
	return a
}

// Ascending is all clusters of all disks, disk by disk.
func Ascending(disks []Disk) []Cluster {
	var order []Cluster
	for i, disk := range disks {
		for n := int64(0); n*clusterSize < disk.Size; n++ {
			order = append(order, Cluster{i, uint32(n)})
		}
	}
	return order
}

// Live is all clusters as the backup of a running guest sends them: disk by
// disk, each cluster at most 2*reach places away from where it belongs.
func Live(disks []Disk, reach int, seed uint64) []Cluster {
	order := Ascending(disks)
	r := rand.New(rand.NewPCG(seed, 0))
	for from := 0; from < len(order); from += reach {
		part := order[from:min(from+reach, len(order))]
		r.Shuffle(len(part), func(i, j int) { part[i], part[j] = part[j], part[i] })
	}
	return order
}

// Write writes the archive. Memory does not grow with the disks.
func (a Archive) Write(w io.Writer) error {
	head, err := a.header()
	if err != nil {
		return err
	}
	if _, err := w.Write(head); err != nil {
		return err
	}
	order := a.Order
	if order == nil {
		order = Ascending(a.Disks)
	}
	e := &extent{w: w, uuid: a.UUID, slots: a.Slots}
	if e.slots == 0 {
		e.slots = Slots
	}
	e.reset()
	for _, c := range order {
		if err := e.add(a.Disks[c.Disk], c); err != nil {
			return err
		}
	}
	if e.used > 0 || len(order) == 0 {
		return e.flush()
	}
	return nil
}

// header lays the header out: files first, then the names of the devices.
func (a Archive) header() ([]byte, error) {
	head := make([]byte, headSize, 2*headSize)
	blobs := []byte{0} // so that no blob lies at 0, which means none
	room := 0
	blob := func(p []byte) uint32 {
		at := len(blobs)
		// vzdump makes room in steps that are rounded up one by one, so its
		// header can be longer than what lies in it.
		if need := 2 + len(p); at+need > room {
			room += (need + 511) &^ 511
		}
		blobs = binary.LittleEndian.AppendUint16(blobs, uint16(len(p)))
		blobs = append(blobs, p...)
		return uint32(at)
	}
	big := binary.BigEndian
	copy(head, "VMA\x00")
	big.PutUint32(head[4:], 1)
	copy(head[8:], a.UUID[:])
	big.PutUint64(head[24:], uint64(a.Created))
	if len(a.Files) > 256 || len(a.Disks) > 254 {
		return nil, errors.New("vmatest: too many files or disks")
	}
	for i, f := range a.Files {
		if len(f.Data) > 65535 {
			return nil, fmt.Errorf("vmatest: %s is larger than 64 KiB", f.Name)
		}
		big.PutUint32(head[2044+4*i:], blob([]byte(f.Name+"\x00")))
		big.PutUint32(head[3068+4*i:], blob(f.Data))
	}
	for i, disk := range a.Disks {
		at := 4096 + 32*(i+1)
		big.PutUint32(head[at:], blob([]byte(disk.Name+"\x00")))
		big.PutUint64(head[at+8:], uint64(disk.Size))
	}
	big.PutUint32(head[48:], headSize)
	big.PutUint32(head[52:], uint32(len(blobs)))
	head = append(head, blobs...)
	head = append(head, make([]byte, headSize+max(room, 512)-len(head))...)
	big.PutUint32(head[56:], uint32(len(head)))
	sum := md5.Sum(head)
	copy(head[32:], sum[:])
	return head, nil
}

// extent gathers clusters until it is full.
type extent struct {
	w       io.Writer
	uuid    [16]byte
	slots   int
	used    int
	buf     []byte // the head, and the data behind it
	cluster [clusterSize]byte
	zeros   [blockSize]byte
}

func (e *extent) reset() {
	e.used = 0
	e.buf = append(e.buf[:0], make([]byte, extentHead)...)
}

func (e *extent) add(disk Disk, c Cluster) error {
	from := int64(c.Number) * clusterSize
	clear(e.cluster[:])
	if size := min(clusterSize, disk.Size-from); size > 0 {
		if n, err := disk.Content.ReadAt(e.cluster[:size], from); int64(n) < size {
			return fmt.Errorf("vmatest: %s at %d: %w", disk.Name, from, err)
		}
	}
	var mask uint16
	for i := range 16 {
		block := e.cluster[i*blockSize : (i+1)*blockSize]
		if !bytes.Equal(block, e.zeros[:]) {
			mask |= 1 << i
			e.buf = append(e.buf, block...)
		}
	}
	slot := uint64(mask)<<48 | uint64(c.Disk+1)<<32 | uint64(c.Number)
	binary.BigEndian.PutUint64(e.buf[40+8*e.used:], slot)
	e.used++
	if e.used == e.slots {
		return e.flush()
	}
	return nil
}

func (e *extent) flush() error {
	copy(e.buf, "VMAE")
	binary.BigEndian.PutUint16(e.buf[6:], uint16((len(e.buf)-extentHead)/blockSize))
	copy(e.buf[8:], e.uuid[:])
	sum := md5.Sum(e.buf[:extentHead])
	copy(e.buf[24:], sum[:])
	_, err := e.w.Write(e.buf)
	e.reset()
	return err
}
