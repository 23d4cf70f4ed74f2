package etcdsnap

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"math/bits"
)

// The pages of a bolt database are read here rather than by bbolt, which
// trusts what it maps: a branch that names itself keeps its cursor going for
// ever, at hundreds of megabytes a second, a pointer past the end is a SIGBUS,
// and each page touched counts as memory of the process. Here a page is read at its offset into a
// buffer, believed only as far as it was checked, and visited once.
const (
	pageHeader = 16 // id uint64, kind uint16, count uint16, overflow uint32
	element    = 16
	branchPage = 0x01
	leafPage   = 0x02
	metaPage   = 0x04
	subBucket  = 0x01 // flag of a leaf element

	metaSize    = 64
	boltMagic   = 0xED0CDAED
	boltVersion = 2

	maxPageSize = 64 << 10
	maxBuffer   = maxPageSize // of a page with overflow, the rest is one large value
	maxDepth    = 24          // at two children a branch, more pages than any disk holds
	maxKey      = 4 << 10     // a Kubernetes key is below 1 KiB
)

// little reads numbers as every machine that runs k3s writes them: bolt stores
// them in the order of the machine.
var little = binary.LittleEndian

// meta is what a meta page says.
type meta struct {
	pageSize    int64
	root        uint64
	pages       uint64 // page numbers from here on are unused
	transaction uint64
}

// database is a bolt database inside of r.
type database struct {
	meta
	r       io.ReaderAt
	budget  uint64   // pages that may still be visited, overflow included
	buffers [][]byte // one for each depth
	scratch []byte   // for what lies beyond a buffer
}

// page is a node of a tree: a page of the file with its overflow, or one that
// is kept inline as a value.
type page struct {
	off, length int64
	buf         []byte // its beginning
	kind        uint16
	count       int
}

// item is an element of a leaf.
type item struct {
	flags  uint32
	key    []byte
	page   page
	off    int64 // of the value, in the page
	length int64
}

// openDatabase reads both meta pages. bolt does with one, for a writer that
// was interrupted; but a snapshot is written whole, from one transaction, so
// that here a bad one is damage. The database ends at size.
func openDatabase(r io.ReaderAt, size int64) (*database, error) {
	first, err := readMeta(r, 0, size)
	if err != nil {
		return nil, err
	}
	second, err := readMeta(r, first.pageSize, size)
	if err != nil {
		return nil, err
	}
	if second.transaction > first.transaction {
		first = second
	}
	return &database{r: r, meta: first}, nil
}

func readMeta(r io.ReaderAt, off, size int64) (meta, error) {
	b := make([]byte, pageHeader+metaSize)
	if off+int64(len(b)) > size {
		return meta{}, errors.New("not a bolt database: too short")
	}
	if _, err := r.ReadAt(b, off); err != nil {
		return meta{}, fmt.Errorf("reading a meta page: %w", err)
	}
	// magic, version, page size, flags uint32; root, sequence of the root,
	// freelist, pages, transaction, checksum uint64
	kind, b := little.Uint16(b[8:]), b[pageHeader:]
	if kind != metaPage || little.Uint32(b) != boltMagic || little.Uint32(b[4:]) != boltVersion {
		return meta{}, errors.New("not a bolt database: no meta page")
	}
	sum := fnv.New64a()
	sum.Write(b[:56])
	if sum.Sum64() != little.Uint64(b[56:]) {
		return meta{}, errors.New("damaged: checksum of a meta page")
	}
	m := meta{pageSize: int64(little.Uint32(b[8:])), root: little.Uint64(b[16:]), pages: little.Uint64(b[40:]), transaction: little.Uint64(b[48:])}
	if bits.OnesCount64(uint64(m.pageSize)) != 1 || m.pageSize < 512 || m.pageSize > maxPageSize {
		return meta{}, fmt.Errorf("damaged: page size %d", m.pageSize)
	}
	if m.pages > uint64(size/m.pageSize) {
		return meta{}, fmt.Errorf("damaged: %d pages of %d bytes in %d bytes", m.pages, m.pageSize, size)
	}
	return m, nil
}

// items visits the leaf elements of the tree under root, the last first.
func (db *database) items(ctx context.Context, root page, visit func(item) error) error {
	return db.descend(ctx, root, 0, visit)
}

func (db *database) descend(ctx context.Context, p page, depth int, visit func(item) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if depth >= maxDepth {
		return errors.New("damaged: tree is too deep")
	}
	if p.count == 0 && (depth > 0 || p.kind != leafPage) {
		return errors.New("damaged: empty page")
	}
	table := int64(pageHeader + p.count*element)
	if table > int64(len(p.buf)) {
		return fmt.Errorf("damaged: %d elements in a page of %d bytes", p.count, p.length)
	}
	// Each element's data ends where that of the next begins, at the latest.
	end := p.length
	for i := p.count - 1; i >= 0; i-- {
		at := int64(pageHeader + i*element)
		e := p.buf[at : at+element]
		var it item
		var child uint64
		var start, keySize int64
		if p.kind == branchPage {
			start, keySize, child = at+int64(little.Uint32(e)), int64(little.Uint32(e[4:])), little.Uint64(e[8:])
		} else {
			it.flags, start, keySize = little.Uint32(e), at+int64(little.Uint32(e[4:])), int64(little.Uint32(e[8:]))
			it.length = int64(little.Uint32(e[12:]))
		}
		if start < table || start+keySize+it.length > end || keySize > maxKey {
			return errors.New("damaged: element lies outside of its page")
		}
		end = start
		if p.kind == branchPage {
			next, err := db.load(child, depth+1)
			if err != nil {
				return err
			}
			if err := db.descend(ctx, next, depth+1, visit); err != nil {
				return err
			}
			continue
		}
		key, err := db.bytes(p, start, keySize)
		if err != nil {
			return err
		}
		it.key, it.page, it.off = key, p, start+keySize
		if err := visit(it); err != nil {
			return err
		}
	}
	return nil
}

// load reads page number id into the buffer of its depth.
func (db *database) load(id uint64, depth int) (page, error) {
	if id < 2 || id >= db.pages {
		return page{}, fmt.Errorf("damaged: page %d is none of the %d pages", id, db.pages)
	}
	var header [pageHeader]byte
	off := int64(id) * db.pageSize
	if _, err := db.r.ReadAt(header[:], off); err != nil {
		return page{}, fmt.Errorf("reading page %d: %w", id, err)
	}
	overflow := uint64(little.Uint32(header[12:]))
	if self := little.Uint64(header[:]); self != id {
		return page{}, fmt.Errorf("damaged: page %d says that it is page %d", id, self)
	}
	if overflow >= db.pages-id {
		return page{}, fmt.Errorf("damaged: page %d goes on past the end", id)
	}
	// A tree holds every page once, so one that goes in circles runs dry.
	if overflow+1 > db.budget {
		return page{}, fmt.Errorf("damaged: page %d is in the tree more than once", id)
	}
	db.budget -= overflow + 1
	length := int64(overflow+1) * db.pageSize
	for len(db.buffers) <= depth {
		db.buffers = append(db.buffers, nil)
	}
	want := int(min(length, maxBuffer))
	if cap(db.buffers[depth]) < want {
		db.buffers[depth] = make([]byte, want)
	}
	buf := db.buffers[depth][:want]
	if _, err := db.r.ReadAt(buf, off); err != nil {
		return page{}, fmt.Errorf("reading page %d: %w", id, err)
	}
	return newPage(off, length, buf)
}

func newPage(off, length int64, buf []byte) (page, error) {
	p := page{off: off, length: length, buf: buf, kind: little.Uint16(buf[8:]), count: int(little.Uint16(buf[10:]))}
	if p.kind != branchPage && p.kind != leafPage {
		return page{}, fmt.Errorf("damaged: page of kind %#x at offset %d", p.kind, off)
	}
	return p, nil
}

// bytes returns n bytes of a page at an offset that was checked. They are
// valid until the next call.
func (db *database) bytes(p page, off, n int64) ([]byte, error) {
	if off+n <= int64(len(p.buf)) {
		return p.buf[off : off+n], nil
	}
	if int64(cap(db.scratch)) < n {
		db.scratch = make([]byte, n)
	}
	b := db.scratch[:n]
	if _, err := db.r.ReadAt(b, p.off+off); err != nil {
		return nil, fmt.Errorf("reading at offset %d: %w", p.off+off, err)
	}
	return b, nil
}
