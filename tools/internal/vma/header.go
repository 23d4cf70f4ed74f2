package vma

import (
	"bytes"
	"crypto/md5" // the format's own; it finds accidents only
	"errors"
	"fmt"
	"time"
)

const (
	headSize      = 12288 // the part of the header that has a fixed layout
	maxHeaderSize = 512 << 10

	uuidAt       = 8
	createdAt    = 24
	headerMD5At  = 32
	blobsAt      = 48
	blobsSizeAt  = 52
	headerSizeAt = 56
	confNamesAt  = 2044
	confDataAt   = 3068
	devicesAt    = 4096
	deviceSize   = 32
	slots        = 256 // of configs and of devices
)

// maxCluster is the highest cluster number that fits into a slot.
const maxCluster = 1<<32 - 1

// maxDisks is the most that all disks of an archive may hold together. It
// bounds what a forged archive can make us remember: a bit for each cluster,
// 128 MiB.
const maxDisks = 64 << 40

// header reads the header of an archive, as far as it is one.
func (s *scan) header() error {
	head := make([]byte, headSize)
	if err := s.full(head); err != nil {
		return fmt.Errorf("offset 0: the header is cut short after %d bytes: %w", s.at, unexpected(err))
	}
	if !bytes.Equal(head[:4], []byte("VMA\x00")) {
		return errors.New("offset 0: this is no VMA archive: it does not begin with VMA")
	}
	if v := big32(head[4:]); v != 1 {
		return fmt.Errorf("offset 4: version %d of the format is not known here, only version 1", v)
	}
	blobs, used, size := big32(head[blobsAt:]), big32(head[blobsSizeAt:]), big32(head[headerSizeAt:])
	if size <= headSize || size > maxHeaderSize {
		return fmt.Errorf("offset %d: a header of %d bytes: more than %d and at most %d are possible",
			headerSizeAt, size, headSize, maxHeaderSize)
	}
	if blobs < headSize || blobs > size || used > size-blobs {
		return fmt.Errorf("offset %d: names at %d, of %d bytes, do not lie in a header of %d bytes",
			blobsAt, blobs, used, size)
	}
	head = append(head, make([]byte, size-headSize)...)
	if err := s.full(head[headSize:]); err != nil {
		return fmt.Errorf("offset 0: the header is cut short after %d of %d bytes: %w", s.at, size, unexpected(err))
	}
	if !sealed(head, headerMD5At) {
		return fmt.Errorf("offset %d: the MD5 of the header is wrong: it was damaged", headerMD5At)
	}

	copy(s.archive.UUID[:], head[uuidAt:])
	created := int64(big64(head[createdAt:]))
	if created < 0 || created > 253402300799 { // the year 9999, where JSON ends
		return fmt.Errorf("offset %d: %d seconds since 1970 is no time of a backup", createdAt, created)
	}
	s.archive.Created = time.Unix(created, 0).UTC()
	names := blobBuffer(head[blobs : blobs+used])
	if err := s.configs(head, names); err != nil {
		return err
	}
	if err := s.devices(head, names); err != nil {
		return err
	}
	if err := checkConfigs(s.archive.Configs, s.archive.Devices); err != nil {
		return fmt.Errorf("offset %d: %w", blobs, err)
	}
	return nil
}

// sealed tells whether the MD5 at that place of a header is right: it was
// made while its own field was zero.
func sealed(head []byte, at int) bool {
	var field [md5.Size]byte
	copy(field[:], head[at:])
	clear(head[at : at+md5.Size])
	sum := md5.Sum(head)
	copy(head[at:], field[:])
	return sum == field
}

func (s *scan) configs(head []byte, names blobBuffer) error {
	for i := range slots {
		nameAt, dataAt := confNamesAt+4*i, confDataAt+4*i
		name, data := big32(head[nameAt:]), big32(head[dataAt:])
		if name == 0 && data == 0 {
			continue
		}
		if name == 0 || data == 0 {
			return fmt.Errorf("offset %d: config %d has a name or data, not both", nameAt, i)
		}
		config := Config{}
		var err error
		if config.Name, err = names.name(name); err != nil {
			return fmt.Errorf("offset %d: name of config %d: %w", nameAt, i, err)
		}
		blob, err := names.blob(data)
		if err != nil {
			return fmt.Errorf("offset %d: config %s: %w", dataAt, config.Name, err)
		}
		config.Data = bytes.Clone(blob)
		for _, other := range s.archive.Configs {
			if other.Name == config.Name {
				return fmt.Errorf("offset %d: config %s is there twice", nameAt, config.Name)
			}
		}
		s.archive.Configs = append(s.archive.Configs, config)
	}
	return nil
}

func (s *scan) devices(head []byte, names blobBuffer) error {
	var total uint64
	for id := range slots {
		at := devicesAt + deviceSize*id
		name, size := big32(head[at:]), big64(head[at+8:])
		if size == 0 {
			continue
		}
		if id == 0 {
			return fmt.Errorf("offset %d: device 0 has a size: the format keeps it for empty slots", at)
		}
		device := Device{ID: uint8(id)}
		var err error
		if device.Name, err = names.name(name); err != nil {
			return fmt.Errorf("offset %d: name of device %d: %w", at, id, err)
		}
		// Each before the sum, so that the sum cannot wrap around.
		if size > maxDisks || total+size > maxDisks {
			return fmt.Errorf("offset %d: device %s: with its %d bytes the disks are larger than %d TiB, the most that is read here",
				at, device.Name, size, maxDisks>>40)
		}
		total += size
		device.Size = int64(size)
		for _, other := range s.archive.Devices {
			if other.Name == device.Name {
				return fmt.Errorf("offset %d: device %s is there twice, as %d and %d", at, device.Name, other.ID, id)
			}
		}
		s.archive.Devices = append(s.archive.Devices, device)
	}
	return nil
}
