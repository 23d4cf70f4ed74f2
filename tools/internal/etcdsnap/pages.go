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
// trusts what it maps: a branch that names itself keeps its cursor going and
// growing forever, a pointer past the end is a SIGBUS, and each page touched
// counts as memory of the process. Here a page is read at its offset into a
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

// database is a bolt database inside of r.
type database struct {
	r        io.ReaderAt
	pageSize int64
	pages    uint64 // page numbers from here on are unused
	root     uint64
	budget   uint64   // pages that may still be visited, overflow included
	buffers  [][]byte // one for each depth
	scratch  []byte   // for what lies beyond a buffer
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

// openDatabase reads the newer of the two meta pages. The database ends at
// size.
func openDatabase(r io.ReaderAt, size int64) (*database, error) {
	db := &database{r: r}
	var newest uint64
	var reason error
	// The second meta page lies one page further, and the first, which would
	// tell how far that is, may be the damaged one.
	for off := int64(0); off == 0 || off <= maxPageSize && db.pageSize == 0; off = max(512, off*2) {
		txid, err := db.readMeta(off, size, newest)
		if err != nil && reason == nil {
			reason = err
		}
		newest = max(newest, txid)
	}
	if db.pageSize == 0 {
		return nil, reason
	}
	if _, err := db.readMeta(db.pageSize, size, newest); err != nil && reason == nil {
		// One torn meta page is what bolt has two of them for; but a snapshot is
		// written from one transaction, so here it is damage.
		reason = err
	}
	return db, reason
}

// readMeta takes over the meta page at off unless one of a later transaction
// is known.
func (db *database) readMeta(off, size int64, newest uint64) (uint64, error) {
	b := make([]byte, pageHeader+metaSize)
	if off+int64(len(b)) > size {
		return 0, errors.New("not a bolt database: too short")
	}
	if _, err := db.r.ReadAt(b, off); err != nil {
		return 0, fmt.Errorf("reading a meta page: %w", err)
	}
	kind, m := little.Uint16(b[8:]), b[pageHeader:]
	if kind != metaPage || little.Uint32(m) != boltMagic || little.Uint32(m[4:]) != boltVersion {
		return 0, errors.New("not a bolt database: no meta page")
	}
	sum := fnv.New64a()
	sum.Write(m[:56])
	if sum.Sum64() != little.Uint64(m[56:]) {
		return 0, errors.New("damaged: checksum of a meta page")
	}
	pageSize, root, pages, txid := little.Uint32(m[8:]), little.Uint64(m[16:]), little.Uint64(m[40:]), little.Uint64(m[48:])
	if bits.OnesCount32(pageSize) != 1 || pageSize < 512 || pageSize > maxPageSize || off != 0 && off != int64(pageSize) {
		return 0, fmt.Errorf("damaged: page size %d", pageSize)
	}
	if pages > uint64(size)/uint64(pageSize) {
		return 0, fmt.Errorf("damaged: %d pages of %d bytes in %d bytes", pages, pageSize, size)
	}
	if db.pageSize == 0 || txid > newest {
		db.pageSize, db.root, db.pages = int64(pageSize), root, pages
	}
	return txid, nil
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
	if little.Uint64(header[:]) != id || overflow >= db.pages-id {
		return page{}, fmt.Errorf("damaged: page %d", id)
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
