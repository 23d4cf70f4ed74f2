package guestrestore

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"testing/iotest"

	"github.com/railiance/railiance/tools/internal/catalog"
	"github.com/railiance/railiance/tools/internal/guestset"
	"github.com/railiance/railiance/tools/internal/vma"
	"github.com/railiance/railiance/tools/internal/vma/vmatest"
)

// The end of an archive is passed on once it is proven, and not a byte of what
// its cluster would need to finish comes before.
func TestTheEndIsHeldBack(t *testing.T) {
	content := bytes.Repeat([]byte("some content of a disk. "), 60_000)
	var plain bytes.Buffer
	if err := vmatest.Guest(vmatest.Bytes("drive-scsi0", content)).Write(&plain); err != nil {
		t.Fatal(err)
	}
	digest, size, err := vma.Sum(bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	about := guestset.About{Disks: []guestset.Disk{{Key: "scsi0", Device: "drive-scsi0", Size: size, Digest: digest}}}
	wrong := guestset.About{Disks: []guestset.Disk{{Key: "scsi0", Device: "drive-scsi0", Size: size}}}
	torn := errors.New("torn")
	for name, tt := range map[string]struct {
		archive io.Reader
		about   guestset.About
		want    error
	}{
		"good":                  {bytes.NewReader(plain.Bytes()), about, nil},
		"good, byte by byte":    {iotest.OneByteReader(bytes.NewReader(plain.Bytes())), about, nil},
		"good, its end with it": {iotest.DataErrReader(bytes.NewReader(plain.Bytes())), about, nil},
		"torn at its very end":  {io.MultiReader(bytes.NewReader(plain.Bytes()), iotest.ErrReader(torn)), about, torn},
		"another disk":          {bytes.NewReader(plain.Bytes()), wrong, ErrSource},
		"no archive at all":     {bytes.NewReader(content), about, ErrSource},
		"of another kind":       {bytes.NewReader(nil), about, ErrSource},
	} {
		t.Run(name, func(t *testing.T) {
			o := &opened{catalog.Artifact{Name: "vm-100", Kind: guestset.KindVMA}, tt.about, io.NopCloser(tt.archive)}
			p := o.proven(t.Context())
			got, err := io.ReadAll(p)
			if err := p.Close(); err != nil {
				t.Error(err)
			}
			if tt.want == nil {
				if err != nil || !bytes.Equal(got, plain.Bytes()) || !p.whole {
					t.Errorf("%d bytes of %d, %v", len(got), plain.Len(), err)
				}
				return
			}
			if !errors.Is(err, tt.want) || p.whole {
				t.Errorf("%v", err)
			}
			if len(got) > plain.Len()-100<<10 {
				t.Errorf("%d bytes of %d were passed on", len(got), plain.Len())
			}
		})
	}
	// Whoever ends before the end is not waited for.
	o := &opened{catalog.Artifact{Name: "vm-100", Kind: guestset.KindVMA}, about, io.NopCloser(bytes.NewReader(plain.Bytes()))}
	p := o.proven(t.Context())
	if _, err := io.CopyN(io.Discard, p, 100); err != nil {
		t.Error(err)
	}
	if err := p.Close(); err != nil || p.whole {
		t.Error(err, p.whole)
	}
	if _, err := p.Read(make([]byte, 1)); !errors.Is(err, io.ErrClosedPipe) {
		t.Error(err)
	}
}
