package vma_test

import (
	"bytes"
	"crypto/sha256"
	"io"
	"testing"

	"github.com/railiance/railiance/tools/internal/vma"
	"github.com/railiance/railiance/tools/internal/vma/vmatest"
)

// What verification costs beside carrying the same bytes through a pipe, as
// every backup does, and what SHA-256 in the place of XXH3 would have.
func BenchmarkVerify(b *testing.B) {
	disks := []vmatest.Disk{disk("drive-scsi0", 1, 64<<20)}
	guest := vmatest.Guest(disks...)
	guest.Order = vmatest.Live(disks, 400, 1)
	raw := written(b, guest)
	verify := func(r io.Reader) error { _, err := vma.Verify(r); return err }
	for _, c := range []struct {
		name string
		read func(io.Reader) error
	}{
		{"verify", verify},
		{"copy", func(r io.Reader) error {
			_, err := io.CopyBuffer(hide{io.Discard}, hide2{r}, make([]byte, cluster))
			return err
		}},
		{"sha256", func(r io.Reader) error {
			_, err := io.CopyBuffer(sha256.New(), hide2{r}, make([]byte, cluster))
			return err
		}},
		{"verify, through a pipe", piped(verify)},
		{"copy, through a pipe", piped(func(r io.Reader) error { _, err := io.Copy(io.Discard, r); return err })},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.SetBytes(int64(len(raw)))
			b.ReportAllocs()
			for b.Loop() {
				if err := c.read(bytes.NewReader(raw)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// piped feeds read as a checked stream does, in writes of 128 KiB.
func piped(read func(io.Reader) error) func(io.Reader) error {
	return func(r io.Reader) error {
		p, w := io.Pipe()
		go func() {
			_, err := io.CopyBuffer(w, hide2{r}, make([]byte, 128<<10))
			w.CloseWithError(err)
		}()
		return read(p)
	}
}

// hide and hide2 keep io.Copy from taking a shorter way than a stream has.
type (
	hide  struct{ io.Writer }
	hide2 struct{ io.Reader }
)
