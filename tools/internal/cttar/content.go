package cttar

import (
	"errors"
	"fmt"
	"io"
	"strconv"
)

const (
	clusterSize = 64 << 10
	maxExtents  = 1 << 20 // 16 MiB of memory
)

// content makes the digest of a file: the sum over its clusters of 64 KiB that
// are not all zero, so that holes need not be read as the zeros that they are.
type content struct {
	digest
	buffer [clusterSize]byte
	used   bool // the cluster has data
	number int64
	size   int64 // of the file
}

type extent struct{ at, size int64 }

// read reads the data of m from s.
func (c *content) read(s *source, m member) error {
	c.digest, c.number, c.size = digest{}, 0, m.logical()
	extents := []extent{{0, m.size}}
	if m.sparse {
		var err error
		if extents, err = s.extents(m); err != nil {
			return fmt.Errorf("map of the sparse file: %w", err)
		}
	}
	var done int64
	for _, e := range extents {
		for e.size > 0 {
			c.move(e.at / clusterSize)
			from := e.at % clusterSize
			piece := c.buffer[from:min(clusterSize, from+e.size)]
			n, err := io.ReadFull(s.Reader, piece)
			s.offset += int64(n)
			done += int64(n)
			if err != nil {
				return fmt.Errorf("its data are %w", short(err, done, m.size))
			}
			c.used = true
			e.at += int64(n)
			e.size -= int64(n)
		}
	}
	c.flush()
	return s.fill(done)
}

// move ends the cluster that was worked on when it goes to another.
func (c *content) move(to int64) {
	if to != c.number {
		c.flush()
	}
	c.number = to
}

func (c *content) flush() {
	if !c.used {
		return
	}
	data := c.buffer[:min(clusterSize, c.size-c.number*clusterSize)]
	if !zero(data) {
		c.digest.count(data, uint64(c.number))
	}
	clear(data)
	c.used = false
}

// extents reads the map of a sparse file: the number of extents, then offset
// and size of each, a line each, in whole blocks.
func (s *source) extents(m member) ([]extent, error) {
	var line []byte
	var read int64
	left := block(nil)
	next := func() (int64, error) {
		for line = line[:0]; ; {
			if len(left) == 0 {
				if read+blockSize > m.size {
					return 0, errors.New("it does not end")
				}
				var err error
				if left, err = s.block(); err != nil {
					return 0, short(err, read, m.size)
				}
				read += blockSize
			}
			b := left[0]
			left = left[1:]
			if b == '\n' {
				n, err := strconv.ParseUint(string(line), 10, 63)
				return int64(n), err
			}
			if line = append(line, b); len(line) > 20 {
				return 0, errNumber
			}
		}
	}
	count, err := next()
	if err != nil {
		return nil, err
	}
	if count > maxExtents {
		return nil, fmt.Errorf("%d extents are too many", count)
	}
	var extents []extent
	var end, data int64
	for range count {
		at, err := next()
		if err != nil {
			return nil, err
		}
		size, err := next()
		if err != nil {
			return nil, err
		}
		if at < end || at > m.realSize || size > m.realSize-at {
			return nil, fmt.Errorf("the extent at %d with %d bytes lies wrong", at, size)
		}
		end, data = at+size, data+size
		extents = append(extents, extent{at, size})
	}
	if data != m.size-read {
		return nil, fmt.Errorf("it tells of %d bytes where %d lie", data, m.size-read)
	}
	return extents, nil
}
