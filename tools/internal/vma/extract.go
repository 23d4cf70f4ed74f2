package vma

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// A Target takes the content of a disk; an *os.File is one. Extract truncates
// it to nothing and then to the size of the disk, which must leave zeros, and
// writes only what is not zero, in any order and from one goroutine.
type Target interface {
	io.WriterAt
	Truncate(size int64) error
}

// Extract verifies an archive as Verify does and writes disks on the way. Once
// the header was read, open is called with what is known by then, configs and
// devices, and returns by name of the device where each disk goes; those that
// it does not name are verified only. Targets are the caller's: to close, and
// after an error to throw away, for they hold part of a disk then.
func Extract(r io.Reader, open func(Archive) (map[string]Target, error)) (Archive, error) {
	s := &scan{r: r}
	if err := s.header(); err != nil {
		return Archive{}, err
	}
	if err := s.begin(open); err != nil {
		return Archive{}, err
	}
	for {
		err := s.extent()
		if err == io.EOF {
			break
		}
		if err != nil {
			return Archive{}, err
		}
	}
	if err := s.end(); err != nil {
		return Archive{}, err
	}
	s.archive.Size = s.at
	return s.archive, nil
}

// begin makes the disks ready for their clusters.
func (s *scan) begin(open func(Archive) (map[string]Target, error)) error {
	targets := map[string]Target{}
	if open != nil {
		var err error
		if targets, err = open(s.archive); err != nil {
			return err
		}
	}
	for i := range s.archive.Devices {
		device := &s.archive.Devices[i]
		target := targets[device.Name]
		if target != nil {
			if err := errors.Join(target.Truncate(0), target.Truncate(device.Size)); err != nil {
				return fmt.Errorf("device %s: making room for %d bytes: %w", device.Name, device.Size, err)
			}
		}
		clusters := (uint64(device.Size) + clusterSize - 1) / clusterSize
		s.disks[device.ID] = &disk{Device: device, seen: newPresence(clusters), target: target}
	}
	return nil
}

// write writes data, which belongs at that offset of the disk, in runs of blocks that are not zero.
func (s *scan) write(target Target, data []byte, at int64) error {
	for from := 0; from < len(data); {
		to := from
		for to < len(data) && !s.zero(data[to:min(to+blockSize, len(data))]) {
			to = min(to+blockSize, len(data))
		}
		if to == from {
			from += blockSize
			continue
		}
		if _, err := target.WriteAt(data[from:to], at+int64(from)); err != nil {
			return fmt.Errorf("writing at disk offset %d: %w", at+int64(from), err)
		}
		from = to
	}
	return nil
}

// zero tells whether data, at most a cluster, is all zero.
func (s *scan) zero(data []byte) bool { return bytes.Equal(data, s.zeros[:len(data)]) }
