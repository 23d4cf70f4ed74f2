package s3store

import (
	"context"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/railiance/railiance/tools/internal/store/storetest"
	"github.com/railiance/railiance/tools/internal/store/storetest/servers"
)

func TestPartSizes(t *testing.T) {
	total := int64(0)
	for number := 1; number <= partsMax; number++ {
		size, inMemory := partSize(number)
		if inMemory && size > 8<<20 || size > 5<<30 {
			t.Errorf("part %d has %d bytes, in memory: %t", number, size, inMemory)
		}
		total += int64(size)
		if number == 3900 && !inMemory {
			t.Errorf("%d bytes after %d parts: goes through the disk before 30 GiB", total, number)
		}
	}
	if total < 1<<40 {
		t.Errorf("an artifact ends at %d bytes", total)
	}
}

// Memory is two small parts, whatever the size: that is what large ones are kept
// on disk for. Where it cannot be had, there still is a backup.
func TestMemory(t *testing.T) {
	server := servers.NewS3(t)
	mixed := func(number int) (int, bool) {
		if number <= 2 {
			return firstPart, true
		}
		return 64 << 20, false
	}
	for _, test := range []struct {
		name     string
		partSize func(int) (int, bool)
		spool    string
		most     int64 // bytes
	}{
		{"small parts", func(int) (int, bool) { return firstPart, true }, t.TempDir(), 60 << 20},
		{"large parts", mixed, t.TempDir(), 60 << 20},
		{"large parts without a disk", mixed, "/none", 300 << 20},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := at(t, server, false, nil)
			s.partSize, s.spool = test.partSize, test.spool
			debug.FreeOSMemory()
			var before, now runtime.MemStats
			runtime.ReadMemStats(&before)
			most := uint64(0)
			const size = 217 << 20
			noise := io.LimitReader(rand.NewChaCha8([32]byte{1}), size)
			err := guest(t, s).Put(context.Background(), "disks", func(w io.Writer) error {
				piece := make([]byte, 1<<20)
				for {
					n, err := io.ReadFull(noise, piece)
					if err == io.EOF {
						return nil
					}
					if _, err := w.Write(piece[:n]); err != nil {
						return err
					}
					runtime.ReadMemStats(&now)
					most = max(most, now.HeapSys-now.HeapReleased)
				}
			})
			if err != nil {
				t.Fatal(err)
			}
			used := int64(most) - int64(before.HeapSys-before.HeapReleased)
			if used > test.most {
				t.Errorf("it took %d MiB of memory", used>>20)
			}
			t.Logf("%d MiB took %d MiB of memory", size>>20, used>>20)
			storetest.Same(t, guest(t, s), "disks", size)
			if open := openIn(t, test.spool); len(open) > 0 {
				t.Errorf("the disk is not given back: %q", open)
			}
		})
	}
}

// openIn are the files in dir, or without a name there, that are open.
func openIn(t *testing.T, dir string) []string {
	t.Helper()
	fds, err := filepath.Glob("/proc/self/fd/*")
	if err != nil || len(fds) == 0 {
		t.Fatal(fds, err)
	}
	var open []string
	for _, fd := range fds {
		if to, err := os.Readlink(fd); err == nil && strings.HasPrefix(to, dir+"/") {
			open = append(open, to)
		}
	}
	return open
}
