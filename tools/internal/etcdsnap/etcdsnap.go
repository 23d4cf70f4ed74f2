// Package etcdsnap tells whether a snapshot of etcd is whole and what is in
// it. The one thing to know: a snapshot is a bolt database followed by the
// SHA-256 of it, and only that trailer shows damage; the pages are looked at
// after it was found right, and distrusted still, because anybody can compute a
// trailer. A snapshot that was changed by hand and given a new trailer is found
// by the signature of the manifest, not here.
package etcdsnap

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"os"

	"github.com/railiance/railiance/tools/internal/registry"
)

// Contents is what a snapshot holds. Keys, Registry, Bootstrap and Encrypted
// count live keys: those whose newest record does not delete them.
type Contents struct {
	Revision   int64          // of the newest record, as the resourceVersion of Kubernetes
	Keys       int            // what etcdutl 3.6 calls totalKey
	Records    int            // with the older revisions and the deletions
	Registry   map[string]int // by resource: "/registry/secrets/", "compact_rev_key"
	Bootstrap  int            // bootstrap data of k3s: opens with the server token of the time
	Encrypted  int            // values that the API server encrypted
	Encryption []string       // keys of the encryption configuration that these need: "aescbc:v1:aescbckey"
	Size       int64          // of the file with its trailer, in bytes
}

// Check reads all of f and returns what it holds, or why it is no snapshot. It
// leaves the offset of f at the end.
func Check(ctx context.Context, f *os.File) (Contents, error) {
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return Contents{}, err
	}
	trailer := NewTrailer()
	if _, err := io.Copy(trailer, contextReader{ctx, f}); err != nil {
		return Contents{}, fmt.Errorf("reading: %w", err)
	}
	if err := trailer.Check(); err != nil {
		return Contents{}, err
	}
	return Count(ctx, f)
}

// Count counts the keys of a snapshot whose trailer was found right. The file
// is read at its offsets, neither mapped nor locked nor moved, so that it may be
// a memfd or a file that others read too. Memory stays below 20 MiB.
func Count(ctx context.Context, f *os.File) (Contents, error) { return count(ctx, f, 0) }

// CountDatabase is Count for the database of an etcd that is stopped, which is
// a snapshot without its trailer: what a restore has made of one.
func CountDatabase(ctx context.Context, f *os.File) (Contents, error) {
	return count(ctx, f, sha256.Size)
}

// count counts a snapshot that lacks the last bytes of its file.
func count(ctx context.Context, f *os.File, lacks int64) (Contents, error) {
	info, err := f.Stat()
	if err != nil {
		return Contents{}, err
	}
	contents := Contents{Size: info.Size()}
	tally, err := registry.Count(info.Size(), func(visit registry.Visit) error {
		contents.Revision, contents.Records = 0, 0
		return walk(ctx, f, info.Size()+lacks, func(r record) error {
			if contents.Records == 0 {
				contents.Revision = r.revision
			}
			contents.Records++
			return visit(r.key, r.head, r.deleted)
		})
	})
	if err != nil {
		return Contents{}, fmt.Errorf("counting keys: %w", err)
	}
	contents.Keys, contents.Registry = tally.Keys, tally.Groups
	contents.Bootstrap, contents.Encrypted, contents.Encryption = tally.Bootstrap, tally.Encrypted, tally.Encryption
	return contents, nil
}

// contextReader ends a long read when the context ends.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (c contextReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}
