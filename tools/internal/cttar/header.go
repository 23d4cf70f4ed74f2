package cttar

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
)

const blockSize = 512

// The types of members that vzdump's tar writes.
const (
	typeFile    = '0'
	typeLink    = '1'
	typeSymlink = '2'
	typeChar    = '3'
	typeBlock   = '4'
	typeDir     = '5'
	typeFIFO    = '6'
	typePax     = 'x'
)

// member is a member as its headers tell of it.
type member struct {
	kind         byte
	name, link   string
	mode         int64
	uid, gid     int64
	major, minor int64
	size         int64 // bytes of data in the archive, its map included
	sparse       bool  // the data begin with a map
	realSize     int64 // of a sparse file
	xattrs       []record
}

// logical is the size of the file once it is extracted.
func (m member) logical() int64 {
	if m.sparse {
		return m.realSize
	}
	return m.size
}

type block []byte

func (b block) zero() bool { return zero(b) }

// member reads a head. What an extended header says is not yet in it.
func (b block) member() (member, error) {
	sum, err := number(b[148:156])
	if err != nil || sum != b.checksum() {
		return member{}, errors.New("this is no head of a tar member: its checksum is wrong")
	}
	if string(b[257:263]) != "ustar\x00" {
		return member{}, errors.New("not the POSIX format that vzdump's tar writes")
	}
	m := member{kind: b[156], name: text(b[:100]), link: text(b[157:257])}
	if prefix := text(b[345:500]); prefix != "" {
		m.name = prefix + "/" + m.name
	}
	for _, field := range []struct {
		name string
		at   []byte
		to   *int64
	}{
		{"mode", b[100:108], &m.mode}, {"uid", b[108:116], &m.uid}, {"gid", b[116:124], &m.gid},
		{"size", b[124:136], &m.size}, {"major", b[329:337], &m.major}, {"minor", b[337:345], &m.minor},
	} {
		if *field.to, err = number(field.at); err != nil {
			return member{}, fmt.Errorf("member %s: %s: %w", shown(m.name), field.name, err)
		}
	}
	m.mode &= 0o7777
	switch m.kind {
	case 0:
		m.kind = typeFile // as before POSIX
	case typeFile, typePax:
	case typeLink, typeSymlink, typeChar, typeBlock, typeDir, typeFIFO:
		if m.size != 0 {
			return member{}, fmt.Errorf("member %s: type %q with %d bytes of data", shown(m.name), m.kind, m.size)
		}
	default:
		return member{}, fmt.Errorf("member %s: type %q is not one that vzdump's tar writes", shown(m.name), m.kind)
	}
	return m, nil
}

// checksum is the sum of the bytes, with spaces in the place of the sum itself.
func (b block) checksum() int64 {
	var sum int64
	for i, c := range b[:blockSize] {
		if i >= 148 && i < 156 {
			c = ' '
		}
		sum += int64(c)
	}
	return sum
}

// text is a field up to its first NUL.
func text(b []byte) string {
	if end := bytes.IndexByte(b, 0); end >= 0 {
		b = b[:end]
	}
	return string(b)
}

var errNumber = errors.New("not a number")

// number reads a numeric field: octal digits, or, where they do not suffice,
// GNU tar's binary form behind a set top bit.
func number(b []byte) (int64, error) {
	if b[0]&0x80 != 0 {
		n := int64(b[0] & 0x7f)
		for _, c := range b[1:] {
			if n >= 1<<54 {
				return 0, errNumber
			}
			n = n<<8 | int64(c)
		}
		return n, nil
	}
	digits := strings.Trim(text(b), " ")
	var n int64
	for _, c := range []byte(digits) {
		if c < '0' || c > '7' {
			return 0, errNumber
		}
		n = n<<3 | int64(c-'0')
	}
	return n, nil
}
