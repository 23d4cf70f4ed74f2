package etcdsnap

import (
	"archive/zip"
	"bytes"
	"crypto/rand"
	"io"
	"strings"
	"testing"
)

// archive makes a zip as k3s does, with the library that k3s uses.
func archive(t *testing.T, method uint16, members ...[]byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, m := range members {
		f, err := w.CreateHeader(&zip.FileHeader{Name: "../../etc/shadow", Method: method})
		if err == nil {
			_, err = f.Write(m)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestUnzip(t *testing.T) {
	plain := recorded(t, plainName)
	good := archive(t, zip.Deflate, plain)
	trailer := NewTrailer()
	if err := Unzip(file(t, good), trailer); err != nil || trailer.Check() != nil || trailer.Size() != int64(len(plain)) {
		t.Fatalf("%v, trailer: %v, %d bytes", err, trailer.Check(), trailer.Size())
	}
	noise := make([]byte, 8192)
	rand.Read(noise)
	flipped := archive(t, zip.Store, noise)
	flipped[4000]++
	var small [][]byte
	for range 20_000 {
		small = append(small, nil)
	}
	crowd := archive(t, zip.Store, small...)
	// The end of the directory may claim one member before thousands.
	liar := bytes.Clone(crowd)
	copy(liar[len(liar)-14:], []byte{1, 0, 1, 0})
	for _, c := range []struct {
		name, want string
		zip        []byte
		limit      int64
	}{
		{"empty", "not a whole zip", nil, MaxUnzipped},
		{"not a zip", "not a whole zip", plain, MaxUnzipped},
		{"torn", "not a whole zip", good[:len(good)-30], MaxUnzipped},
		{"without members", "0 members", archive(t, zip.Store), MaxUnzipped},
		{"two members", "2 members", archive(t, zip.Deflate, plain, plain), MaxUnzipped},
		{"a crowd", "too long", crowd, MaxUnzipped},
		{"a crowd that claims to be one", "too long", liar, MaxUnzipped},
		{"damaged", "checksum", flipped, MaxUnzipped},
		{"bomb", "larger than 1048576 bytes", archive(t, zip.Deflate, make([]byte, 64<<20)), 1 << 20},
		{"as large as may be", "", archive(t, zip.Deflate, make([]byte, 1<<20)), 1 << 20},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := unzip(file(t, c.zip), io.Discard, c.limit)
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}
