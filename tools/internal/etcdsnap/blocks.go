package etcdsnap

import "io"

const (
	blockSize  = 64 << 10
	blockCount = 32 // 2 MiB: leaves follow each other in the file, branches lie apart
)

// blocks reads in blocks and keeps the last ones: a page at a time would be
// two system calls for each of half a million pages.
type blocks struct {
	r     io.ReaderAt
	slots [blockCount]block
}

type block struct {
	number int64 // of the block in the file, from 1
	bytes  []byte
	err    error // that ended it, io.EOF in the last block
}

func (b *blocks) ReadAt(p []byte, off int64) (int, error) {
	read := 0
	for read < len(p) {
		have := b.block(off / blockSize)
		at := int(off % blockSize)
		if at >= len(have.bytes) {
			return read, have.err
		}
		n := copy(p[read:], have.bytes[at:])
		read, off = read+n, off+int64(n)
	}
	return read, nil
}

func (b *blocks) block(number int64) *block {
	slot := &b.slots[number%blockCount]
	if slot.number == number+1 {
		return slot
	}
	if slot.bytes == nil {
		slot.bytes = make([]byte, blockSize)
	}
	n, err := b.r.ReadAt(slot.bytes[:blockSize], number*blockSize)
	slot.number, slot.bytes, slot.err = number+1, slot.bytes[:n], err
	if err == nil && n < blockSize {
		slot.err = io.ErrUnexpectedEOF
	}
	return slot
}
