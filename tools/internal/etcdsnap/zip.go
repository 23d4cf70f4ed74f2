package etcdsnap

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/klauspost/compress/zip"
)

const (
	// MaxUnzipped is the most that Unzip writes: etcd recommends no database
	// above 8 GiB and k3s leaves it at 2 GiB.
	MaxUnzipped = 8<<30 + 64<<10

	// maxDirectory is what may be read to find one member. A directory of
	// millions of members would have to fit into memory.
	maxDirectory = 256 << 10
)

// Unzip writes the snapshot that k3s compressed into zipFile to w. The archive
// has to have one member and nothing is made of its name. It fails when the
// checksum of the archive is wrong or the snapshot larger than MaxUnzipped; w
// then holds a part that is to be thrown away.
func Unzip(zipFile *os.File, w io.Writer) error {
	return unzip(zipFile, w, MaxUnzipped)
}

func unzip(zipFile *os.File, w io.Writer, limit int64) error {
	info, err := zipFile.Stat()
	if err != nil {
		return err
	}
	source := &bounded{r: zipFile, left: maxDirectory}
	archive, err := zip.NewReader(source, info.Size())
	if err != nil && !errors.Is(err, zip.ErrInsecurePath) { // the name is not used
		return fmt.Errorf("snapshot is not a whole zip archive: %w", err)
	}
	if len(archive.File) != 1 {
		return fmt.Errorf("zip archive has %d members where a snapshot has one", len(archive.File))
	}
	source.unbounded = true
	member, err := archive.File[0].Open()
	if err != nil {
		return fmt.Errorf("unzipping snapshot: %w", err)
	}
	defer member.Close()
	// The size that the archive declares is not relied upon.
	n, err := io.Copy(w, io.LimitReader(member, limit+1))
	if err != nil {
		return fmt.Errorf("unzipping snapshot: %w", err)
	}
	if n > limit {
		return fmt.Errorf("snapshot is larger than %d bytes unzipped", limit)
	}
	return nil
}

// bounded lets only so much be read before unbounded is set.
type bounded struct {
	r         io.ReaderAt
	left      int
	unbounded bool
}

func (b *bounded) ReadAt(p []byte, off int64) (int, error) {
	if !b.unbounded {
		if b.left -= len(p); b.left < 0 {
			return 0, errors.New("directory is too long")
		}
	}
	return b.r.ReadAt(p, off)
}
