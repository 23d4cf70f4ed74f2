// mksnapshot writes a snapshot of etcd of about a given size, as etcd lays it
// out: mksnapshot FILE BYTES.
package main

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strconv"

	bolt "go.etcd.io/bbolt"
)

// valueSize is what an object of a busy cluster has, in bytes.
const valueSize = 1500

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
	if err := fill(args[0], int(size/(valueSize+200))); err != nil {
		return err
	}
	return trail(args[0])
}

func fill(path string, records int) error {
	db, err := bolt.Open(path, 0o600, &bolt.Options{NoFreelistSync: true, NoSync: true})
	if err != nil {
		return err
	}
	random := rand.New(rand.NewPCG(1, 2))
	value := make([]byte, valueSize)
	for revision := 1; revision <= records; {
		err := db.Update(func(tx *bolt.Tx) error {
			b, err := tx.CreateBucketIfNotExists([]byte("key"))
			if err != nil {
				return err
			}
			b.FillPercent = 0.9
			for end := revision + 10_000; revision < end && revision <= records; revision++ {
				for i := range value {
					value[i] = byte(random.Uint32())
				}
				group := []string{"pods", "secrets", "configmaps", "events", "namespaces"}[revision%5]
				// Every object was changed once.
				key := fmt.Sprintf("/registry/%s/team-%d/object-%d", group, revision%97, revision/2)
				if err := b.Put(revisionKey(revision), keyValue(key, value, revision)); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return db.Close()
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
