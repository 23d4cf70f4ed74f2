package unseal

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
)

// singleFrame passes one zstd frame on and then wants the end. The library
// would read frame after frame, and skip what calls itself skippable, so that
// two artifacts in one would come out as one longer dump.
//
// It follows the lengths that a frame tells of itself; whether what lies
// between is right, the decoder says.
func singleFrame(r io.Reader) *frame {
	return &frame{r: bufio.NewReaderSize(r, 128<<10), next: (*frame).header}
}

type frame struct {
	r        *bufio.Reader
	left     int // bytes to pass on before next is asked
	next     func(*frame) error
	checksum bool
	err      error // what it ended with; io.EOF: one whole frame, and nothing behind it
}

func (f *frame) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for f.left == 0 {
		if f.err == nil {
			f.err = f.next(f)
		}
		if f.err != nil {
			return 0, f.err
		}
	}
	n, err := f.r.Read(p[:min(len(p), f.left)])
	f.left -= n
	if err != nil {
		f.err = torn(err)
	}
	return n, f.err
}

const magic = 0xfd2fb528

var (
	errNoZstd = errors.New("this is no zstd stream")
	errBehind = errors.New("something lies behind the compressed stream")
)

// header passes on the magic, the descriptor and the fields that it announces.
func (f *frame) header() error {
	head, err := f.r.Peek(5)
	if err != nil {
		return torn(err)
	}
	if binary.LittleEndian.Uint32(head) != magic {
		return errNoZstd
	}
	descriptor := head[4]
	single := descriptor >> 5 & 1
	size := []int{int(single), 2, 4, 8}[descriptor>>6]
	dictionary := []int{0, 1, 2, 4}[descriptor&3]
	f.checksum = descriptor&4 != 0
	f.left = 5 + int(1-single) + dictionary + size
	f.next = (*frame).block
	return nil
}

// block passes on a block with its head.
func (f *frame) block() error {
	head, err := f.r.Peek(3)
	if err != nil {
		return torn(err)
	}
	b := uint32(head[0]) | uint32(head[1])<<8 | uint32(head[2])<<16
	f.left = 3 + int(b>>3)
	if b>>1&3 == 1 { // one byte, so many times
		f.left = 3 + 1
	}
	if b&1 == 0 {
		return nil
	}
	f.next = (*frame).end
	if f.checksum {
		f.left += 4
	}
	return nil
}

func (f *frame) end() error {
	if _, err := f.r.Peek(1); err != nil {
		return err
	}
	return errBehind
}

// torn makes an end in the middle what it is.
func torn(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
