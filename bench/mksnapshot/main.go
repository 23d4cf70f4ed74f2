// mksnapshot writes a snapshot of etcd of a given size, as etcd lays it out:
// mksnapshot FILE BYTES. The size is met but for a few pages; the content is
// the same every time, and cannot be compressed.
package main

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"strconv"

	bolt "go.etcd.io/bbolt"
)

const (
	// Three objects of this size fill a page, so that a snapshot holds more of
	// them than most clusters do: they are what counting takes its time for.
	valueSize = 1100 // bytes
	batch     = 1000 // objects a transaction
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "mksnapshot:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 2 {
		return fmt.Errorf("usage: mksnapshot FILE BYTES")
	}
	size, err := strconv.ParseInt(args[1], 10, 64)
	if err != nil {
		return err
	}
	if _, err := os.Lstat(args[0]); err == nil {
		return fmt.Errorf("%s: %w", args[0], fs.ErrExist) // bolt would add to it
	}
	if err := fill(args[0], size); err != nil {
		return err
	}
	return trail(args[0])
}

// fill makes the database, and cuts off the room that bolt keeps for growth:
// a snapshot has none.
func fill(path string, size int64) error {
	db, err := bolt.Open(path, 0o600, &bolt.Options{NoFreelistSync: true, NoSync: true})
	if err != nil {
		return err
	}
	random := rand.NewChaCha8([32]byte{1})
	value := make([]byte, valueSize)
	var filled int64
	for revision := 1; filled < size; {
		err := db.Update(func(tx *bolt.Tx) error {
			b, err := tx.CreateBucketIfNotExists([]byte("key"))
			if err != nil {
				return err
			}
			b.FillPercent = 0.9 // as etcd sets it
			for end := revision + batch; revision < end; revision++ {
				if _, err := random.Read(value); err != nil {
					return err
				}
				object := revision / 2 // each was changed once
				group := []string{"pods", "secrets", "configmaps", "events", "namespaces"}[object%5]
				key := fmt.Sprintf("/registry/%s/team-%d/object-%d", group, object%97, object)
				if err := b.Put(revisionKey(revision), keyValue(key, value, revision)); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		err = db.View(func(tx *bolt.Tx) error {
			filled = tx.Size()
			return nil
		})
		if err != nil {
			return err
		}
	}
	if err := db.Close(); err != nil {
		return err
	}
	return os.Truncate(path, filled)
}

// revisionKey is how etcd's mvcc store names a record.
func revisionKey(revision int) []byte {
	k := make([]byte, 17)
	binary.BigEndian.PutUint64(k, uint64(revision))
	k[8] = '_'
	return k
}

// keyValue is an mvccpb.KeyValue.
func keyValue(key string, value []byte, revision int) []byte {
	b := binary.AppendUvarint([]byte{1<<3 | 2}, uint64(len(key)))
	b = append(b, key...)
	for _, field := range []byte{2, 3} { // create and mod revision
		b = binary.AppendUvarint(append(b, field<<3), uint64(revision))
	}
	b = append(b, 4<<3, 1) // version
	b = binary.AppendUvarint(append(b, 5<<3|2), uint64(len(value)))
	return append(b, value...)
}

// trail appends the SHA-256 by which etcd knows a whole snapshot.
func trail(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	hash := sha256.New()
	if _, err := io.Copy(hash, f); err != nil {
		return err
	}
	if _, err := f.Write(hash.Sum(nil)); err != nil {
		return err
	}
	return f.Sync()
}
