package pvetest

import (
	"bytes"
	"crypto/md5" // the format's own
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// vmaHead is the header of an archive, read as `vma extract` does and on
// purpose not by package vma: what that believes of the format is to be held
// against something else than itself.
type vmaHead struct {
	uuid    []byte
	created int64
	configs []vmaConfig
	devices []vmaDevice
}

type vmaConfig struct {
	name string
	data []byte
}

type vmaDevice struct {
	id   int
	name string
	size int64
}

// errArchive is wrapped around what `vma` itself finds wrong.
var errArchive = errors.New("archive")

func bad(format string, args ...any) error { return &archiveError{fmt.Errorf(format, args...)} }

type archiveError struct{ error }

func (e *archiveError) Is(target error) bool { return target == errArchive }

func (e *archiveError) Unwrap() error { return e.error }

const headMin = 12288

func readHead(in io.Reader) (*vmaHead, error) {
	head := make([]byte, headMin)
	if _, err := io.ReadFull(in, head); err != nil {
		return nil, err
	}
	big := binary.BigEndian
	size := big.Uint32(head[56:])
	if string(head[:4]) != "VMA\x00" || big.Uint32(head[4:]) != 1 || size <= headMin || size > 512<<10 {
		return nil, errors.New("no header")
	}
	head = append(head, make([]byte, size-headMin)...)
	if _, err := io.ReadFull(in, head[headMin:]); err != nil {
		return nil, err
	}
	sum := bytes.Clone(head[32:48])
	clear(head[32:48])
	if got := md5.Sum(head); !bytes.Equal(got[:], sum) {
		return nil, errors.New("wrong checksum")
	}
	blobs := head[headMin:]
	blob := func(at uint32) []byte {
		if at == 0 || int(at)+2 > len(blobs) {
			return nil
		}
		n := int(binary.LittleEndian.Uint16(blobs[at:]))
		return blobs[at+2 : min(len(blobs), int(at)+2+n)]
	}
	a := &vmaHead{uuid: bytes.Clone(head[8:24]), created: int64(big.Uint64(head[24:]))}
	for i := range 256 {
		name, data := big.Uint32(head[2044+4*i:]), big.Uint32(head[3068+4*i:])
		if name != 0 && data != 0 {
			a.configs = append(a.configs, vmaConfig{string(bytes.TrimRight(blob(name), "\x00")), blob(data)})
		}
		at := 4096 + 32*i
		if n := int64(big.Uint64(head[at+8:])); n > 0 {
			a.devices = append(a.devices, vmaDevice{i, string(bytes.TrimRight(blob(big.Uint32(head[at:])), "\x00")), n})
		}
	}
	return a, nil
}
