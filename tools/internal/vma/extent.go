package vma

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"strings"
)

const (
	extentHead  = 512
	extentSlots = 59
	slotsAt     = 40
	extentMD5At = 24
)

// scan is one pass over an archive.
type scan struct {
	r       io.Reader
	at      int64 // offset in the archive of what is read next
	archive Archive
	disks   [slots]*disk // by the ID of the device
	cluster [clusterSize]byte
	zeros   [clusterSize]byte
}

// disk is what a pass keeps of a device.
type disk struct {
	*Device
	seen   presence
	target Target
}

// slot is the word of an extent that tells of one cluster.
type slot uint64

func (s slot) blocks() uint16  { return uint16(s >> 48) }
func (s slot) reserved() uint8 { return uint8(s >> 40) }
func (s slot) device() uint8   { return uint8(s >> 32) }
func (s slot) cluster() uint32 { return uint32(s) }

// full fills p. The end of the stream is io.EOF before the first byte and
// io.ErrUnexpectedEOF behind it.
func (s *scan) full(p []byte) error {
	n, err := io.ReadFull(s.r, p)
	s.at += int64(n)
	return err
}

// extent reads one extent, or returns io.EOF at the end of the archive.
func (s *scan) extent() error {
	start := s.at
	var head [extentHead]byte
	if err := s.full(head[:]); err == io.EOF {
		return err
	} else if err != nil {
		return fmt.Errorf("offset %d: the head of extent %d is cut short after %d bytes: %w", start, s.archive.Extents, s.at-start, err)
	}
	if err := s.checkHead(head[:]); err != nil {
		return fmt.Errorf("offset %d: extent %d: %w", start, s.archive.Extents, err)
	}
	for i := range extentSlots {
		slot := slot(big64(head[slotsAt+8*i:]))
		if slot.device() == 0 {
			continue
		}
		if err := s.take(slot); err != nil {
			return fmt.Errorf("offset %d: extent %d: device %s: cluster %d: %w",
				s.at, s.archive.Extents, s.disks[slot.device()].Name, slot.cluster(), err)
		}
	}
	s.archive.Extents++
	return nil
}

// checkHead checks all that the head of an extent says, before the first byte
// of data is believed, and notes its clusters.
func (s *scan) checkHead(head []byte) error {
	if !bytes.Equal(head[:4], []byte("VMAE")) {
		return errors.New("it does not begin with VMAE: something else lies here, or bytes were lost before it")
	}
	if !sealed(head, extentMD5At) {
		return errors.New("the MD5 of its head is wrong: it was damaged")
	}
	if !bytes.Equal(head[8:24], s.archive.UUID[:]) {
		return fmt.Errorf("it belongs to archive %x, not to %x", head[8:24], s.archive.UUID)
	}
	if big16(head[4:]) != 0 {
		return errors.New("its reserved bytes are set")
	}
	blocks := 0
	for i := range extentSlots {
		slot := slot(big64(head[slotsAt+8*i:]))
		blocks += bits.OnesCount16(slot.blocks())
		if err := s.note(slot); err != nil {
			return fmt.Errorf("slot %d: %w", i, err)
		}
	}
	if said := int(big16(head[6:])); said != blocks {
		return fmt.Errorf("it says that %d blocks follow, and its slots name %d", said, blocks)
	}
	return nil
}

func (s *scan) note(slot slot) error {
	if slot.reserved() != 0 {
		return errors.New("its reserved bits are set")
	}
	if slot.device() == 0 {
		if slot.blocks() != 0 {
			return errors.New("it holds data of no device")
		}
		return nil
	}
	disk := s.disks[slot.device()]
	if disk == nil {
		return fmt.Errorf("device %d is not in the header", slot.device())
	}
	cluster := slot.cluster()
	if uint64(cluster) >= disk.seen.total {
		return fmt.Errorf("device %s: cluster %d lies behind its end: it has %d", disk.Name, cluster, disk.seen.total)
	}
	rest := disk.Size - int64(cluster)*clusterSize
	if allowed := (rest + blockSize - 1) / blockSize; int64(bits.Len16(slot.blocks())) > allowed {
		return fmt.Errorf("device %s: cluster %d: block %d lies behind the end of the device",
			disk.Name, cluster, bits.Len16(slot.blocks())-1)
	}
	if !disk.seen.mark(cluster) {
		return fmt.Errorf("device %s: cluster %d (disk offset %d) is there twice", disk.Name, cluster, int64(cluster)*clusterSize)
	}
	return nil
}

// take reads the data of one cluster and hands it on.
func (s *scan) take(slot slot) error {
	mask := slot.blocks()
	if mask == 0 {
		return nil
	}
	if mask != 0xffff {
		clear(s.cluster[:])
	}
	for from := 0; from < 16; {
		from += bits.TrailingZeros16(mask >> from)
		if from >= 16 {
			break
		}
		to := from + bits.TrailingZeros16(^(mask >> from))
		if err := s.full(s.cluster[from*blockSize : to*blockSize]); err != nil {
			return fmt.Errorf("its data is cut short: %w", unexpected(err))
		}
		from = to
	}
	disk := s.disks[slot.device()]
	disk.Stored += int64(bits.OnesCount16(mask)) * blockSize
	start := int64(slot.cluster()) * clusterSize
	data := s.cluster[:min(clusterSize, disk.Size-start)]
	if s.zero(data) { // stored all the same: a digest must not depend on that
		return nil
	}
	clear(s.cluster[len(data):])
	disk.Digest.add(slot.cluster(), s.cluster[:])
	if disk.target == nil {
		return nil
	}
	return s.write(disk.target, data, start)
}

// unexpected is for places where an archive must not end.
func unexpected(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// end says what an archive lacks that has come to its end.
func (s *scan) end() error {
	if s.archive.Extents == 0 {
		return fmt.Errorf("offset %d: the archive ends behind its header, before the first extent", s.at)
	}
	var lacks []string
	for _, disk := range s.disks {
		if disk == nil {
			continue
		}
		first, count := disk.seen.missing()
		if count > 0 {
			lacks = append(lacks, fmt.Sprintf("device %s: cluster %d (disk offset %d) is missing, %d of %d in all",
				disk.Name, first, first*clusterSize, count, disk.seen.total))
		}
	}
	if len(lacks) > 0 {
		return fmt.Errorf("offset %d: the archive ends and is not complete: %s", s.at, strings.Join(lacks, "; "))
	}
	return nil
}
