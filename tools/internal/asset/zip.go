package asset

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/railiance/railiance/tools/internal/etcdsnap"
)

// copySnapshot copies the snapshot f to w and to beside. Where k3s zipped it,
// it is unzipped on the way, since some releases cannot restore a zip; the
// returned file is then the plain snapshot, nameless, on the disk where k3s
// keeps the zipped one.
func copySnapshot(w io.Writer, f *os.File, beside io.Writer) (plain *os.File, err error) {
	if !zipped(f) {
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return nil, fmt.Errorf("snapshot: %w", err)
		}
		// Hashing the trailer belongs to the stage that reads: sealing and
		// storing have goroutines of their own, and each hand-over is a copy.
		_, err := io.CopyBuffer(io.MultiWriter(w, beside), onlyReader{f}, make([]byte, 256<<10))
		if err != nil {
			return nil, fmt.Errorf("copy: %w", err)
		}
		return nil, nil
	}
	plain, err = nameless(filepath.Dir(f.Name()), strings.TrimSuffix(filepath.Base(f.Name()), ".zip"))
	if err != nil {
		return nil, fmt.Errorf("unzip the snapshot: %w", err)
	}
	if err := etcdsnap.Unzip(f, io.MultiWriter(w, beside, plain)); err != nil {
		return nil, errors.Join(fmt.Errorf("snapshot: %w", err), plain.Close())
	}
	return plain, nil
}

// onlyReader keeps io.CopyBuffer to our buffer: a file would copy itself, in
// smaller steps.
type onlyReader struct{ io.Reader }

func zipped(f *os.File) bool { return strings.HasSuffix(f.Name(), ".zip") }

// nameless makes a file that is gone with its last descriptor. Its name, for
// the moment that it has one, is one that Sweep knows.
func nameless(dir, name string) (*os.File, error) {
	path := filepath.Join(dir, name+".part")
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	if err := os.Remove(path); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}
