package cttar

import (
	"bufio"
	"fmt"
	"io"
)

// source is an archive as it comes, and how far it was read.
type source struct {
	*bufio.Reader
	offset int64
}

// block reads a block, which is good until the next read. It returns io.EOF
// where the archive ends in front of it.
func (s *source) block() (block, error) {
	b, err := s.Peek(blockSize)
	if len(b) == 0 && err == io.EOF {
		return nil, io.EOF
	}
	if err != nil {
		return nil, short(err, int64(len(b)), blockSize)
	}
	s.offset += blockSize
	if _, err := s.Discard(blockSize); err != nil {
		return nil, err
	}
	return b, nil
}

// fill skips what makes size a number of whole blocks.
func (s *source) fill(size int64) error {
	n, err := s.Discard(int(-size & (blockSize - 1)))
	s.offset += int64(n)
	if err != nil {
		return short(err, int64(n), -size&(blockSize-1))
	}
	return nil
}

// short is err as it is told; io.EOF would look like a good end to those who
// copy streams.
func short(err error, n, size int64) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return fmt.Errorf("cut short after %d of %d bytes: %w", n, size, io.ErrUnexpectedEOF)
	}
	return fmt.Errorf("unread: %w", err)
}
