package s3store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/minio/minio-go/v7"
	"golang.org/x/sys/unix"

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

// A part gives what was put into it as often as it is asked, takes no more than
// it has room for, and gives the disk back.
func TestPartIsUsedAgain(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // it closes what was forgotten
	dir := t.TempDir()
	p := &part{dir: dir}
	for i, inMemory := range []bool{true, false, false, true, false} {
		size := 1000 + 500*i
		p.begin(size, inMemory)
		if (p.file == nil) != inMemory || (len(openIn(t, dir)) == 0) != inMemory || !inMemory && p.memory != nil {
			t.Fatalf("%d: in memory: %t; open: %q", i, p.file == nil, openIn(t, dir))
		}
		want := bytes.Repeat([]byte{byte('a' + i)}, size)
		for at := 0; at < size; {
			n, err := p.fill(want[at:min(at+700, size)])
			if at += n; n == 0 || err != nil {
				t.Fatalf("%d: %d bytes after %d, %v", i, n, at, err)
			}
		}
		if n, err := p.fill([]byte("more")); n != 0 || err != nil || !p.full() {
			t.Errorf("%d: when full it takes %d, %v", i, n, err)
		}
		for range 2 {
			got, err := io.ReadAll(p.body())
			sum, sumErr := p.sha256()
			if err != nil || sumErr != nil || !bytes.Equal(got, want) || sum != sha256.Sum256(want) {
				t.Errorf("%d: %d bytes of %d, %v, %v", i, len(got), size, err, sumErr)
			}
		}
		p.begin(size, inMemory)
		if n, err := p.fill(make([]byte, size+1)); n != size || err != nil || !p.full() {
			t.Errorf("%d: of %d bytes it took %d, %v", i, size+1, n, err)
		}
	}
	p.close()
	if open := openIn(t, dir); len(open) > 0 {
		t.Errorf("still open: %q", open)
	}
	p.size = 1 << 50
	if p.reserve() {
		t.Error("the disk has promised a petabyte")
	}
	p.close()
}

// A disk that fails fails the backup, and nothing is left of it.
func TestDiskFails(t *testing.T) {
	server := servers.NewS3(t)
	for name, test := range map[string]struct {
		file string
		flag int
		want error
	}{
		"full":       {"/dev/full", os.O_RDWR, unix.ENOSPC},
		"unreadable": {"/dev/null", os.O_WRONLY, unix.EBADF},
	} {
		s := at(t, server, false, nil)
		err := guest(t, s).Put(context.Background(), "disks", func(w io.Writer) error {
			if _, err := w.Write(make([]byte, 2*partMin)); err != nil {
				return err
			}
			filling := w.(*upload).filling
			filling.close()
			var err error
			if filling.file, err = os.OpenFile(test.file, test.flag, 0); err != nil {
				return err
			}
			_, err = w.Write(make([]byte, partMin+1))
			return err
		})
		if !errors.Is(err, test.want) {
			t.Errorf("%s: %v", name, err)
		}
		nothing(t, server, s)
	}
}

// More than S3 takes is refused, and not sent for ever.
func TestTooManyParts(t *testing.T) {
	server := servers.NewS3(t)
	s := at(t, server, false, nil)
	err := guest(t, s).Put(context.Background(), "disks", func(w io.Writer) error {
		if _, err := w.Write(make([]byte, partMin)); err != nil {
			return err
		}
		u := w.(*upload)
		if err := u.land(); err != nil {
			return err
		}
		u.parts = append(u.parts, make([]minio.CompletePart, partsMax-1)...)
		_, err := w.Write(make([]byte, partMin))
		return err
	})
	if err == nil || !strings.Contains(err.Error(), "is larger than the") {
		t.Error(err)
	}
	nothing(t, server, s)
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
