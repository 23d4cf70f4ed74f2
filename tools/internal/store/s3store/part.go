package s3store

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/railiance/railiance/tools/internal/spool"
)

// An artifact that is sent in parts has 10,000 at most: what is larger than
// expected gets larger parts, as S3 allows. The last ones end at 1.2 TiB.
const (
	partsMax  = 10_000
	firstPart = 8 << 20 // bytes
)

// partSize is how large the part of that number is, in bytes, and whether it is
// kept in memory until it has arrived: that is flat up to 31 GiB, and stays so
// since larger parts are kept on disk.
func partSize(number int) (size int, inMemory bool) {
	switch {
	case number <= 4000:
		return firstPart, true
	case number <= 7000:
		return 4 * firstPart, false
	case number <= 8000:
		return 16 * firstPart, false
	}
	return 64 * firstPart, false
}

// part is what goes with one request, and may have to go again. It is used for
// many, one after another.
type part struct {
	dir    string // for its file
	size   int    // it is full with so many bytes
	length int
	memory []byte
	file   *os.File // has no name, and holds what is sealed already; nil: memory does
}

// begin empties p. Where the disk has no room, memory is better than no backup.
func (p *part) begin(size int, inMemory bool) {
	p.size, p.length = size, 0
	if !inMemory && p.reserve() {
		p.memory = nil
		return
	}
	p.close()
	p.memory = slices.Grow(p.memory[:0], size)
}

// reserve sees to a file with room for all of p.
func (p *part) reserve() bool {
	if p.file == nil {
		file, err := spool.Unnamed(p.dir)
		if err != nil {
			return false
		}
		p.file = file
	}
	// Some file systems cannot promise it, and may have it all the same.
	err := unix.Fallocate(int(p.file.Fd()), 0, 0, int64(p.size))
	return err == nil || errors.Is(err, unix.EOPNOTSUPP)
}

func (p *part) full() bool { return p.length == p.size }

// fill takes what there is room for.
func (p *part) fill(b []byte) (n int, err error) {
	b = b[:min(len(b), p.size-p.length)]
	if p.file == nil {
		p.memory = append(p.memory, b...)
		n = len(b)
	} else if n, err = p.file.WriteAt(b, int64(p.length)); err != nil {
		err = fmt.Errorf("store: a part that is too large for memory: %w", err)
	}
	p.length += n
	return n, err
}

// body reads p from its beginning.
func (p *part) body() io.ReadSeeker {
	if p.file == nil {
		return bytes.NewReader(p.memory)
	}
	return io.NewSectionReader(p.file, 0, int64(p.length))
}

func (p *part) sha256() (sum [sha256.Size]byte, err error) {
	hash := sha256.New()
	_, err = io.Copy(hash, p.body())
	return [sha256.Size]byte(hash.Sum(nil)), err
}

// close gives the disk back.
func (p *part) close() {
	if p.file != nil {
		_ = p.file.Close() // it has no name: nothing is left to lose
		p.file = nil
	}
}
