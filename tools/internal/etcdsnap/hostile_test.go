package etcdsnap

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"hash/fnv"
	"os"
	"strings"
	"testing"
	"time"
)

// The recorded database has 4096-byte pages; these are where its two meta
// pages keep the root and the checksum.
const (
	testPage = 4096
	rootAt   = pageHeader + 16
)

// reseal gives both meta pages a right checksum again.
func reseal(db []byte) []byte {
	for _, at := range []int{pageHeader, testPage + pageHeader} {
		sum := fnv.New64a()
		sum.Write(db[at : at+56])
		little.PutUint64(db[at+56:], sum.Sum64())
	}
	return db
}

// keyRoot returns the offset of the root page of the bucket of keys.
func keyRoot(t testing.TB, b []byte) int {
	t.Helper()
	db, err := openDatabase(bytes.NewReader(b), int64(len(b)-32))
	if err != nil {
		t.Fatal(err)
	}
	p, err := db.bucket(context.Background(), "key")
	if err != nil {
		t.Fatal(err)
	}
	if p.kind != branchPage {
		t.Fatal("the recorded tree has no branch to forge")
	}
	return int(p.off)
}

// A forger writes a right trailer under pages that send the reader in circles,
// out of the file, or into endless work. bbolt does not return from some of
// these and is killed by others.
func TestForgedPages(t *testing.T) {
	plain := recorded(t, plainName)
	root := keyRoot(t, plain)
	leaf := int(little.Uint64(plain[root+pageHeader+8:])) * testPage
	for _, c := range []struct {
		name, want string
		forge      func(db []byte)
	}{
		{"branch names itself", "too deep", func(db []byte) {
			for i := range int(little.Uint16(db[root+10:])) {
				little.PutUint64(db[root+pageHeader+i*element+8:], uint64(root/testPage))
			}
		}},
		{"endless ways to one page", "more than once", func(db []byte) {
			// Four branches of 200 children, all of them the next, then a leaf.
			for n := 10; n < 15; n++ {
				page := db[n*testPage : (n+1)*testPage]
				clear(page)
				little.PutUint64(page, uint64(n))
				if n == 14 {
					little.PutUint32(page[8:], leafPage|1<<16)
					little.PutUint32(page[pageHeader+4:], element)
					break
				}
				little.PutUint32(page[8:], branchPage|200<<16)
				for i := range 200 {
					at := page[pageHeader+i*element:]
					little.PutUint32(at, uint32((200-i)*element))
					little.PutUint64(at[8:], uint64(n+1))
				}
			}
			little.PutUint64(db[rootAt:], 10)
			little.PutUint64(db[testPage+rootAt:], 10)
			reseal(db)
		}},
		{"two branches name the same leaf", "comes after", func(db []byte) {
			copy(db[root+pageHeader+8:root+pageHeader+16], db[root+pageHeader+element+8:])
		}},
		{"branch points out of the file", "is none of the", func(db []byte) { little.PutUint64(db[root+pageHeader+8:], 1<<40) }},
		{"branch points to a meta page", "is none of the", func(db []byte) { little.PutUint64(db[root+pageHeader+8:], 1) }},
		{"empty branch", "empty page", func(db []byte) { little.PutUint16(db[root+10:], 0) }},
		{"empty leaf", "empty page", func(db []byte) { little.PutUint16(db[leaf+10:], 0) }},
		{"more elements than fit", "elements in a page", func(db []byte) { little.PutUint16(db[leaf+10:], 65535) }},
		{"overflow out of the file", "past the end", func(db []byte) { little.PutUint32(db[leaf+12:], uint32((len(db)-leaf)/testPage)) }},
		{"page of another number", "says that it is", func(db []byte) { little.PutUint64(db[leaf:], 9) }},
		{"page of no kind", "kind 0x80", func(db []byte) { little.PutUint16(db[leaf+8:], 0x80) }},
		{"element out of the page", "outside of its page", func(db []byte) { little.PutUint32(db[leaf+pageHeader+4:], 1<<31) }},
		{"value out of the page", "outside of its page", func(db []byte) { little.PutUint32(db[leaf+pageHeader+12:], 1<<31) }},
		{"key of a gigabyte", "outside of its page", func(db []byte) { little.PutUint32(db[leaf+pageHeader+8:], 1<<30) }},
		{"element over the next", "outside of its page", func(db []byte) {
			at := leaf + pageHeader
			little.PutUint32(db[at+12:], little.Uint32(db[at+12:])+1)
		}},
		{"revisions backwards", "comes after", func(db []byte) {
			at := leaf + pageHeader
			binary.BigEndian.PutUint64(db[at+int(little.Uint32(db[at+4:])):], 1<<40)
			// The record says which revision it is, so it has to be forged too.
			clear(db[at+12 : at+16])
		}},
		{"page size of zero", "page size", func(db []byte) { clear(db[pageHeader+8 : pageHeader+12]); reseal(db) }},
		{"more pages than the file", "pages of", func(db []byte) { little.PutUint64(db[pageHeader+40:], 1<<50); reseal(db) }},
		{"root is no page", "is none of the", func(db []byte) {
			little.PutUint64(db[rootAt:], 0)
			little.PutUint64(db[testPage+rootAt:], 0)
			reseal(db)
		}},
		{"no bucket of keys", "is missing", func(db []byte) {
			at := int(little.Uint64(db[rootAt:])) * testPage
			little.PutUint16(db[at+10:], 1)
			at = int(little.Uint64(db[testPage+rootAt:])) * testPage
			little.PutUint16(db[at+10:], 1)
		}},
		{"checksum of a meta page", "checksum of a meta page", func(db []byte) { db[testPage+rootAt]++ }},
		{"no bolt database", "not a bolt database", func(db []byte) { clear(db[:testPage]) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			db := bytes.Clone(plain[:len(plain)-32])
			c.forge(db)
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			_, err := Check(ctx, file(t, withTrailer(db)))
			if c.name == "revisions backwards" && err != nil && strings.Contains(err.Error(), "no key") {
				return // either protection will do
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

// Of the two meta pages the one of the later transaction counts.
func TestNewerMetaPage(t *testing.T) {
	db := recorded(t, plainName)
	db = db[:len(db)-32]
	for older, newer := range map[int]int{pageHeader: testPage + pageHeader, testPage + pageHeader: pageHeader} {
		forged := bytes.Clone(db)
		little.PutUint64(forged[older+48:], 5)
		little.PutUint64(forged[newer+48:], 6)
		little.PutUint64(forged[older+16:], 1<<40)
		if got, err := Check(t.Context(), file(t, withTrailer(reseal(forged)))); err != nil || got.Keys != 243 {
			t.Errorf("newer at %d: %d keys, %v", newer, got.Keys, err)
		}
	}
}

// The revision is written twice, in the name of a record and inside of it.
func TestRecordOfAnotherRevision(t *testing.T) {
	for _, c := range []struct {
		name, want string
		value      []byte
	}{
		{"another revision", "claims revision 8", keyValue("/registry/a/b", 8, nil, false)},
		{"torn", "torn field", []byte{1<<3 | 2}},
		{"empty", "no key", nil},
		{"without a key", "no key", keyValue("/registry/a/b", 7, nil, false)[15:]},
		{"key of unlikely length", "unlikely length", []byte{1<<3 | 2, 0xff, 0xff, 0xff, 0x7f}},
		{"unknown field", "unknown field", []byte{7 << 3, 0}},
		{"value too long", "does not fit", append(keyValue("/registry/a/b", 7, nil, true), 5<<3|2, 100)},
		{"something after the value", "does not fit", append(keyValue("/registry/a/b", 7, nil, true), append([]byte{5<<3 | 2, 1}, make([]byte, 40)...)...)},
		{"good", "", keyValue("/registry/a/b", 7, []byte("v"), false)},
	} {
		t.Run(c.name, func(t *testing.T) {
			db := &database{}
			p := page{length: int64(len(c.value)), buf: c.value, kind: leafPage}
			_, err := db.record(item{key: revisionKey(7, 0, false), page: p, length: p.length})
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func TestCheckEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	f := file(t, recorded(t, plainName))
	if _, err := Check(ctx, f); !errors.Is(err, context.Canceled) {
		t.Errorf("Check: %v", err)
	}
	if _, err := Count(ctx, f); !errors.Is(err, context.Canceled) {
		t.Errorf("Count: %v", err)
	}
}

// FuzzSnapshot changes a page of the recorded snapshot, makes checksums and
// trailer right again, and demands an answer without panic.
func FuzzSnapshot(f *testing.F) {
	plain := recorded(f, plainName)
	root := keyRoot(f, plain)
	f.Add(uint32(root), []byte{1, 0, 0, 0})
	f.Add(uint32(root+pageHeader), []byte{0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0})
	f.Add(uint32(pageHeader+8), []byte{0, 2, 0, 0})
	f.Add(uint32(rootAt), []byte{3})
	name := f.TempDir() + "/snap"
	f.Fuzz(func(t *testing.T, at uint32, change []byte) {
		db := bytes.Clone(plain[:len(plain)-32])
		copy(db[int(at)%len(db):], change)
		if err := os.WriteFile(name, withTrailer(reseal(db)), 0o600); err != nil {
			t.Fatal(err)
		}
		file, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		got, err := Check(ctx, file)
		if errors.Is(err, context.DeadlineExceeded) {
			t.Error("too much work")
		}
		if sum := 0; err == nil {
			for _, n := range got.Registry {
				sum += n
			}
			if sum != got.Keys || got.Keys > got.Records {
				t.Errorf("%d keys, %d in groups, %d records", got.Keys, sum, got.Records)
			}
		}
	})
}
