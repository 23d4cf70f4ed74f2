package cttar

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"math/bits"
	"slices"

	"github.com/zeebo/xxh3"
)

// digest is a sum of hashes modulo 2^128: members come in any order.
type digest struct{ hi, lo uint64 }

const digestScheme = "xxh3-members:"

func (d *digest) count(data []byte, seed uint64) {
	sum := xxh3.Hash128Seed(data, seed)
	var carry uint64
	d.lo, carry = bits.Add64(d.lo, sum.Lo, 0)
	d.hi, _ = bits.Add64(d.hi, sum.Hi, carry)
}

// add counts a member in. Lengths go before texts, or two members could be
// written as the same bytes.
func (d *digest) add(m member, name string, content digest) {
	b := []byte{m.kind}
	for _, n := range []int64{m.mode, m.uid, m.gid, m.major, m.minor, m.logical()} {
		b = binary.BigEndian.AppendUint64(b, uint64(n))
	}
	b = binary.BigEndian.AppendUint64(b, content.hi)
	b = binary.BigEndian.AppendUint64(b, content.lo)
	text := func(s string) {
		b = binary.BigEndian.AppendUint32(b, uint32(len(s)))
		b = append(b, s...)
	}
	text(name)
	text(m.link)
	slices.SortFunc(m.xattrs, func(a, b record) int {
		return cmp.Or(cmp.Compare(a.key, b.key), cmp.Compare(a.value, b.value))
	})
	for _, x := range m.xattrs {
		text(x.key)
		text(x.value)
	}
	d.count(b, 0)
}

func (d digest) String() string {
	return fmt.Sprintf("%s%016x%016x", digestScheme, d.hi, d.lo)
}

func zero(b []byte) bool {
	// Bytes that equal their own neighbours are all the same.
	return len(b) == 0 || b[0] == 0 && bytes.Equal(b[1:], b[:len(b)-1])
}
