package etcdsnap

import (
	"crypto/sha256"
	"encoding/binary"
	"flag"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"

	bolt "go.etcd.io/bbolt"
)

// keyValue encodes a record as etcd does.
func keyValue(key string, revision int64, value []byte, deleted bool) []byte {
	b := append([]byte{1<<3 | 2}, binary.AppendUvarint(nil, uint64(len(key)))...)
	b = append(b, key...)
	if deleted {
		return b
	}
	for tag, n := range []int64{0, 0, 1, revision, 1} {
		if n > 0 {
			b = binary.AppendUvarint(append(b, byte(tag<<3)), uint64(n))
		}
	}
	b = binary.AppendUvarint(append(b, 5<<3|2), uint64(len(value)))
	b = append(b, value...)
	return append(b, 6<<3, 7) // a lease
}

func revisionKey(revision, sub int64, deleted bool) []byte {
	b := binary.BigEndian.AppendUint64(nil, uint64(revision))
	b = binary.BigEndian.AppendUint64(append(b, '_'), uint64(sub))
	if deleted {
		b = append(b, 't')
	}
	return b
}

// change is one revision.
type change struct {
	key     string
	size    int // of the value
	deleted bool
}

// write has bbolt itself write a snapshot of changes, as etcd would.
func write(t testing.TB, name string, pageSize int, changes func(yield func(change) bool)) {
	t.Helper()
	raw := name + ".raw"
	db, err := bolt.Open(raw, 0o600, &bolt.Options{PageSize: pageSize, NoSync: true, NoGrowSync: true, NoFreelistSync: true})
	if err != nil {
		t.Fatal(err)
	}
	defer os.Remove(raw)
	defer db.Close()
	tx, bucket := begin(t, db)
	random, revision := rand.New(rand.NewPCG(1, 2)), int64(0)
	noise := make([]byte, 1<<20)
	for i := 0; i < len(noise); i += 8 {
		binary.LittleEndian.PutUint64(noise[i:], random.Uint64())
	}
	for c := range changes {
		revision++
		if err := bucket.Put(revisionKey(revision, 0, c.deleted), keyValue(c.key, revision, noise[:c.size], c.deleted)); err != nil {
			t.Fatal(err)
		}
		if revision%20_000 == 0 {
			if err := tx.Commit(); err != nil {
				t.Fatal(err)
			}
			tx, bucket = begin(t, db)
		}
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	sum := sha256.New()
	err = db.View(func(tx *bolt.Tx) error {
		_, err := tx.WriteTo(io.MultiWriter(f, sum))
		return err
	})
	if err == nil {
		_, err = f.Write(sum.Sum(nil))
	}
	if err != nil {
		t.Fatal(err)
	}
}

func begin(t testing.TB, db *bolt.DB) (*bolt.Tx, *bolt.Bucket) {
	t.Helper()
	tx, err := db.Begin(true)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"alarm", "cluster", "key", "meta"} {
		if _, err := tx.CreateBucketIfNotExists([]byte(name)); err != nil {
			t.Fatal(err)
		}
	}
	bucket := tx.Bucket([]byte("key"))
	bucket.FillPercent = 0.9
	return tx, bucket
}

// Trees of every shape that bbolt makes: empty, inline, one leaf, deep, with
// values over many pages.
func TestWhatBoltWrites(t *testing.T) {
	for _, c := range []struct{ pageSize, changes, keys, value int }{
		{4096, 0, 1, 0},
		{4096, 3, 2, 10},
		{4096, 20, 7, 100},
		{512, 20_000, 3_000, 60},
		{4096, 2_000, 500, 9_000},
		{4096, 60, 10, 1 << 20},
		{65536, 3_000, 100, 70_000},
	} {
		t.Run(fmt.Sprint(c), func(t *testing.T) {
			random := rand.New(rand.NewPCG(3, 4))
			live, kinds := map[string]bool{}, []string{"secrets", "services/specs", "cert-manager.io/certificates"}
			name := filepath.Join(t.TempDir(), "snap")
			write(t, name, c.pageSize, func(yield func(change) bool) {
				for range c.changes {
					k := random.IntN(c.keys)
					ch := change{key: fmt.Sprintf("/registry/%s/ns/%d", kinds[k%3], k), size: random.IntN(c.value + 1), deleted: random.IntN(5) == 0}
					if ch.deleted {
						delete(live, ch.key)
					} else {
						live[ch.key] = true
					}
					if !yield(ch) {
						return
					}
				}
			})
			want := map[string]int{}
			for key := range live {
				for _, kind := range kinds {
					if len(key) > len(kind)+10 && key[10:10+len(kind)] == kind {
						want["/registry/"+kind+"/"]++
					}
				}
			}
			f, err := os.Open(name)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			got, err := Check(t.Context(), f)
			if err != nil {
				t.Fatal(err)
			}
			if got.Keys != len(live) || !maps.Equal(got.Registry, want) || got.Records != c.changes || got.Revision != int64(c.changes) {
				t.Errorf("got %+v; want %d keys, %v", got, len(live), want)
			}
		})
	}
}

var snapshotSize = flag.Int64("snapshot-size", 96<<20, "bytes of the snapshot whose check must stay small in memory")

// The check of a snapshot must not take memory in proportion to it: it runs on
// the server whose memory k3s needs. Run it with -snapshot-size 2147483648 to see
// the largest that k3s makes.
func TestMemoryStaysFlat(t *testing.T) {
	const name, limit = "RAILIANCE_TEST_SNAPSHOT", 48 << 10 // KiB
	if snapshot := os.Getenv(name); snapshot != "" {
		f, err := os.Open(snapshot)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		got, err := Check(t.Context(), f)
		if err != nil {
			t.Fatal(err)
		}
		status, err := os.ReadFile("/proc/self/status")
		if err != nil {
			t.Fatal(err)
		}
		fmt.Printf("%s\nKeys: %d Records: %d\n", status, got.Keys, got.Records)
		return
	}
	snapshot := filepath.Join(t.TempDir(), "snap")
	written := int64(0)
	write(t, snapshot, 4096, func(yield func(change) bool) {
		for i := 0; written < *snapshotSize/10*8; i++ {
			c := change{key: fmt.Sprintf("/registry/pods/namespace/some-workload-%d", i*7/10), size: 900}
			written += int64(c.size + len(c.key) + 60)
			if !yield(c) {
				return
			}
		}
	})
	info, err := os.Stat(snapshot)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestMemoryStaysFlat$")
	cmd.Env = append(os.Environ(), name+"="+snapshot)
	out, err := cmd.CombinedOutput()
	peak := regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindSubmatch(out)
	if err != nil || peak == nil {
		t.Fatalf("%v\n%s", err, out)
	}
	kib, err := strconv.Atoi(string(peak[1]))
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d MiB: peak %d KiB, %s", info.Size()>>20, kib, regexp.MustCompile(`Keys:.*`).Find(out))
	if kib > limit {
		t.Errorf("checking %d MiB took %d KiB of memory, the limit is %d", info.Size()>>20, kib, limit)
	}
}
