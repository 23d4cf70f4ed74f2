package helmrelease

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
)

// A tar is a row of blocks, and two of zeros end it.
const (
	tarBlock = 512
	tarEnd   = 2 * tarBlock
)

// ends makes sure that the tar has an end, and that nothing is hidden behind
// it: archive/tar asks for neither.
func ends(t *tar.Reader, tail *tailReader) error {
	if h, err := t.Next(); err == nil {
		return fmt.Errorf("member %q follows %s", h.Name, indexFile)
	} else if err != io.EOF {
		return fmt.Errorf("tar: %w", err)
	}
	buf := make([]byte, 4096)
	for {
		n, err := tail.Read(buf)
		if len(bytes.Trim(buf[:n], "\x00")) > 0 {
			return errors.New("something follows the end of the tar")
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return fmt.Errorf("tar: %w", err)
		}
	}
	if tail.zeros < tarEnd || tail.size%tarBlock != 0 {
		return errors.New("the tar has no end: it is torn")
	}
	return nil
}

// tailReader remembers how a stream ended.
type tailReader struct {
	r     io.Reader
	size  int64
	zeros int64 // how many of the last bytes were zero
}

func (t *tailReader) Read(p []byte) (int, error) {
	n, err := t.r.Read(p)
	rest := len(bytes.TrimRight(p[:n], "\x00"))
	if rest > 0 {
		t.zeros = 0
	}
	t.zeros += int64(n - rest)
	t.size += int64(n)
	return n, err
}
