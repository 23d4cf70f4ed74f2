// Package vma reads the archives that Proxmox makes of virtual machines: it
// tells whether one is complete, gives every disk a digest, and writes the
// disks out again without any Proxmox.
//
// The one thing to know: the format has no checksum over the data and no mark
// at its end, so Proxmox's own `vma verify` takes an archive that lacks half of
// a disk. Complete means here that each cluster of each device was there
// exactly once; a changed bit shows only where the digest of a disk is compared
// with one that was noted earlier.
//
// Archives are read as streams, one cluster of 64 KiB at a time, and nothing
// in them is trusted. Beside 200 KiB of buffers a bit is kept for each cluster:
// 2 MiB for a disk of 1 TiB.
package vma

import (
	"io"
	"time"
)

const (
	blockSize   = 4096
	clusterSize = 16 * blockSize
)

// Config is a file that travels in the header of an archive.
type Config struct {
	Name string // a plain file name: qemu-server.conf, qemu-server.fw
	Data []byte // at most 64 KiB
}

// Device is a disk of the guest.
type Device struct {
	ID     uint8
	Name   string // a plain file name, drive-scsi0
	Size   int64  // bytes, not always a multiple of anything
	Stored int64  // bytes of it that the archive holds; the others are zero
	Digest Digest // of its content
}

// Archive is what an archive holds. Devices are in the order of their IDs.
type Archive struct {
	UUID    [16]byte
	Created time.Time // UTC, in seconds
	Configs []Config
	Devices []Device
	Extents int
	Size    int64 // bytes of the archive itself
}

// Verify reads an archive to its end and tells what it holds, or at which
// offset of the archive, and for which device, it is not what a restore needs.
// After an error the rest of r is unread: whoever feeds it from a pipe drains
// it.
func Verify(r io.Reader) (Archive, error) {
	return Extract(r, nil)
}
