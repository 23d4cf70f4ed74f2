package etcdsnap

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"os"
	"slices"

	"github.com/railiance/railiance/tools/internal/registry"
)

// record is one revision of one key. Its slices are valid until the next one.
type record struct {
	revision int64
	sub      int64 // tells the records of one transaction apart
	deleted  bool
	key      []byte
	head     []byte // of the value
	off      int64  // of the value, in the file
	length   int64
}

// walk visits the records of a snapshot of size bytes, newest first.
func walk(ctx context.Context, r io.ReaderAt, size int64, visit func(record) error) error {
	db, err := openDatabase(&blocks{r: r}, size-sha256.Size)
	if err != nil {
		return err
	}
	bucket, err := db.bucket(ctx, "key")
	if err != nil {
		return err
	}
	db.budget = db.pages
	var last record
	return db.items(ctx, bucket, func(it item) error {
		rec, err := db.record(it)
		if err != nil {
			return err
		}
		if last.key != nil && (rec.revision > last.revision || rec.revision == last.revision && rec.sub >= last.sub) {
			return fmt.Errorf("damaged: revision %d comes after revision %d", last.revision, rec.revision)
		}
		last = rec
		return visit(rec)
	})
}

// bucket finds the root page of a bucket.
func (db *database) bucket(ctx context.Context, name string) (page, error) {
	db.budget = db.pages
	root, err := db.load(db.root, 0)
	if err != nil {
		return page{}, err
	}
	var number uint64
	var inline []byte
	errFound := errors.New("found")
	err = db.items(ctx, root, func(it item) error {
		if string(it.key) != name || it.flags&subBucket == 0 {
			return nil
		}
		// root uint64, sequence uint64, and for a root of zero the page itself
		if it.length < 16 || it.length > 16+maxPageSize {
			return fmt.Errorf("damaged: bucket of %d bytes", it.length)
		}
		value, err := db.bytes(it.page, it.off, it.length)
		if err != nil {
			return err
		}
		number, inline = little.Uint64(value), slices.Clone(value[16:])
		return errFound
	})
	switch {
	case err == nil:
		return page{}, fmt.Errorf("bucket %q is missing: not a database of etcd", name)
	case !errors.Is(err, errFound):
		return page{}, err
	case number != 0:
		db.budget = db.pages
		return db.load(number, 0)
	case len(inline) < pageHeader:
		return page{}, errors.New("damaged: bucket without a page")
	}
	p, err := newPage(0, int64(len(inline)), inline)
	if err == nil && p.kind != leafPage {
		err = errors.New("damaged: small bucket with branches")
	}
	return p, err
}

// record reads an element of the bucket "key": named by its revision, and in
// it a KeyValue of mvccpb, whose fields are key, create revision, mod
// revision, version, value, lease.
func (db *database) record(it item) (record, error) {
	var rec record
	switch k := it.key; {
	case it.flags != 0 || len(k) < 17 || len(k) > 18 || k[8] != '_' || len(k) == 18 && k[17] != 't':
		return rec, errors.New("damaged: an element that is no revision")
	default:
		rec.revision, rec.sub = int64(binary.BigEndian.Uint64(k)), int64(binary.BigEndian.Uint64(k[9:]))
		rec.deleted = len(k) == 18
	}
	if rec.revision < 0 || rec.sub < 0 {
		return rec, errors.New("damaged: negative revision")
	}
	damaged := func(what string) (record, error) {
		return record{}, fmt.Errorf("damaged: record of revision %d: %s", rec.revision, what)
	}
	b, err := db.bytes(it.page, it.off, min(it.length, maxKey+registry.HeadSize+64))
	if err != nil {
		return rec, err
	}
	modified := int64(0)
	for at := 0; at < len(b); {
		tag := b[at]
		n, size := binary.Uvarint(b[at+1:])
		if size <= 0 {
			return damaged("torn field")
		}
		at += 1 + size
		rest := it.length - int64(at)
		switch tag {
		case 1<<3 | 2: // key
			if n == 0 || n > maxKey || n > uint64(len(b)-at) {
				return damaged("key of unlikely length")
			}
			rec.key = b[at : at+int(n)]
			at += int(n)
		case 5<<3 | 2: // value
			// After it there is the lease at most.
			if n > uint64(rest) || rest-int64(n) > 1+binary.MaxVarintLen64 {
				return damaged("value does not fit")
			}
			rec.off, rec.length = it.page.off+it.off+int64(at), int64(n)
			rec.head = b[at:min(len(b), at+int(n))]
			at = len(b)
		case 3 << 3: // mod revision
			modified = int64(n)
		case 2 << 3, 4 << 3, 6 << 3:
		default:
			return damaged("unknown field")
		}
	}
	if rec.key == nil {
		return damaged("no key")
	}
	if !rec.deleted && modified != rec.revision {
		return damaged(fmt.Sprintf("claims revision %d", modified))
	}
	return rec, nil
}

// Keys visits the live keys of a snapshot whose trailer was found right,
// newest first, each with its revision and the SHA-256 of its value, so that
// two snapshots can be compared object by object. Values stream; memory grows
// with the number of keys, by some 20 bytes each. Like Count it relies on
// 64-bit hashes to tell keys apart.
func Keys(ctx context.Context, f *os.File, visit func(key string, revision int64, valueSHA256 [32]byte) error) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	seed := maphash.MakeSeed()
	seen := map[uint64]struct{}{}
	return walk(ctx, f, info.Size(), func(r record) error {
		h := maphash.Bytes(seed, r.key)
		if _, old := seen[h]; old {
			return nil
		}
		seen[h] = struct{}{}
		if r.deleted {
			return nil
		}
		sum := sha256.New()
		if _, err := io.Copy(sum, io.NewSectionReader(f, r.off, r.length)); err != nil {
			return fmt.Errorf("value at revision %d: %w", r.revision, err)
		}
		return visit(string(r.key), r.revision, [32]byte(sum.Sum(nil)))
	})
}
