package vma

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

func big16(p []byte) uint16 { return binary.BigEndian.Uint16(p) }
func big32(p []byte) uint32 { return binary.BigEndian.Uint32(p) }
func big64(p []byte) uint64 { return binary.BigEndian.Uint64(p) }

// blobBuffer is the tail of a header, where names and configs lie. Offsets
// point to their length, which is the only little-endian number of the format.
type blobBuffer []byte

func (b blobBuffer) blob(at uint32) ([]byte, error) {
	if at == 0 || uint64(at)+2 > uint64(len(b)) {
		return nil, fmt.Errorf("place %d does not lie in a buffer of %d bytes", at, len(b))
	}
	size := binary.LittleEndian.Uint16(b[at:])
	rest := b[at+2:]
	if int(size) > len(rest) {
		return nil, fmt.Errorf("%d bytes at place %d do not fit into a buffer of %d bytes", size, at, len(b))
	}
	return rest[:size], nil
}

// name returns a name that is safe as that of a file and in a message.
func (b blobBuffer) name(at uint32) (string, error) {
	blob, err := b.blob(at)
	if err != nil {
		return "", err
	}
	name, ended := bytes.CutSuffix(blob, []byte{0})
	if !ended {
		return "", fmt.Errorf("%.40q does not end with a zero byte", blob)
	}
	if !safe(name) {
		return "", fmt.Errorf("%.40q is not made of letters, digits, '.', '_' and '-' alone, at most %d of them",
			name, maxName)
	}
	return string(name), nil
}

const maxName = 128

func safe(name []byte) bool {
	if len(name) == 0 || len(name) > maxName || name[0] == '.' || name[0] == '-' {
		return false
	}
	for _, c := range name {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '.', c == '_', c == '-':
		default:
			return false
		}
	}
	return true
}
