package asset

import (
	"archive/tar"
	"bufio"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
)

// Packed says whether dumps of that kind are archives of files.
func Packed(kind string) bool { return kind == KindServer || kind == KindHelmValues }

// Unpack gives every member of a dump that Check found right, and that is
// Packed, to visit. The names lead nowhere but below.
func Unpack(f io.Reader, visit func(member string, content io.Reader) error) error {
	z, err := gzip.NewReader(bufio.NewReader(f))
	if err != nil {
		return fmt.Errorf("gzip: %w", err)
	}
	t := tar.NewReader(z)
	for {
		h, err := t.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("tar: %w", err)
		}
		if err := checkMember(h); err != nil {
			return err
		}
		if err := visit(h.Name, t); err != nil {
			return err
		}
	}
}
