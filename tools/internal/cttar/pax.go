package cttar

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// maxPax bounds an extended header: Linux allows 64 KiB for an attribute.
const maxPax = 1 << 20

type record struct{ key, value string }

// pax is an extended header: what it tells holds for the next member.
type pax struct {
	set     bool
	records []record
}

// pax reads an extended header of that size.
func (s *source) pax(size int64) (pax, error) {
	if size > maxPax {
		return pax{}, fmt.Errorf("%d bytes are too many", size)
	}
	data, err := s.bytes(size)
	if err != nil {
		return pax{}, err
	}
	p := pax{set: true}
	for len(data) > 0 {
		var r record
		if r, data, err = nextRecord(data); err != nil {
			return pax{}, err
		}
		p.records = append(p.records, r)
	}
	return p, nil
}

// nextRecord splits "<length> <key>=<value>\n" off, where the length counts all
// of that.
func nextRecord(data []byte) (record, []byte, error) {
	bad := errors.New("not a record of a length, a key and a value")
	digits, _, found := bytes.Cut(data, []byte(" "))
	if !found || len(digits) == 0 || len(digits) > 7 {
		return record{}, nil, bad
	}
	length, err := strconv.ParseUint(string(digits), 10, 31)
	if err != nil || length > uint64(len(data)) || length < uint64(len(digits))+4 || data[length-1] != '\n' {
		return record{}, nil, bad
	}
	key, value, found := bytes.Cut(data[len(digits)+1:length-1], []byte("="))
	if !found || len(key) == 0 {
		return record{}, nil, bad
	}
	return record{string(key), string(value)}, data[length:], nil
}

// apply puts what p tells over what the head of m told.
func (p pax) apply(m *member) error {
	numbers := map[string]*int64{"size": &m.size, "uid": &m.uid, "gid": &m.gid, "GNU.sparse.realsize": &m.realSize}
	sparse := map[string]string{}
	realName := ""
	for _, r := range p.records {
		if to, known := numbers[r.key]; known {
			n, err := strconv.ParseUint(r.value, 10, 63)
			if err != nil {
				return fmt.Errorf("extended header: %s is not a number", r.key)
			}
			*to = int64(n)
		}
		switch {
		case r.key == "path":
			m.name = r.value
		case r.key == "linkpath":
			m.link = r.value
		case r.key == "GNU.sparse.name":
			realName = r.value
		case strings.HasPrefix(r.key, "GNU.sparse."):
		case strings.HasPrefix(r.key, "SCHILY.xattr."), strings.HasPrefix(r.key, "SCHILY.acl."), strings.HasPrefix(r.key, "RHT."):
			m.xattrs = append(m.xattrs, r)
		}
		if rest, found := strings.CutPrefix(r.key, "GNU.sparse."); found {
			sparse[rest] = r.value
		}
	}
	if len(sparse) == 0 {
		return m.sized()
	}
	if sparse["major"] != "1" || sparse["minor"] != "0" || realName == "" || sparse["realsize"] == "" || m.kind != typeFile {
		return errors.New("a sparse file in a form that vzdump's tar does not write")
	}
	m.sparse, m.name = true, realName
	return m.sized()
}

// sized refuses data where a type has none.
func (m *member) sized() error {
	if m.kind != typeFile && m.size != 0 {
		return fmt.Errorf("type %q with %d bytes of data", m.kind, m.size)
	}
	return nil
}

// bytes reads that many bytes, and what fills their last block.
func (s *source) bytes(size int64) ([]byte, error) {
	data := make([]byte, size)
	n, err := io.ReadFull(s.Reader, data)
	s.offset += int64(n)
	if err != nil {
		return nil, short(err, int64(n), size)
	}
	return data, s.fill(size)
}
