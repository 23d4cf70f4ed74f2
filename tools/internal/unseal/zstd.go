package unseal

import (
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"
)

// maxWindow is how much of what came out a frame may refer back to, and so the
// memory that it takes: what seal writes needs 8 MiB, `zstd -19` no more.
const maxWindow = 32 << 20

// Zstd decompresses r as it is read. r is one frame and nothing else: what
// lies behind it was not sealed by us, and is refused like a torn end. What is
// read is good only once io.EOF was returned.
//
// Memory is bounded; how much comes out is not, for some bytes can stand for
// gigabytes: whoever writes it down compares with what the manifest told.
//
// r is read ahead, in a goroutine that has ended when Read has returned an
// error, io.EOF too, or Close has returned. Close does not close r.
func Zstd(r io.Reader) (io.ReadCloser, error) {
	a := readAhead(r)
	f := singleFrame(a)
	d, err := zstd.NewReader(f,
		zstd.WithDecoderConcurrency(1),
		zstd.WithDecoderMaxWindow(maxWindow))
	if err != nil {
		a.end()
		return nil, fmt.Errorf("decompress: %w", err)
	}
	return &inflating{a: a, f: f, d: d}, nil
}

type inflating struct {
	a *ahead
	f *frame
	d *zstd.Decoder
	n int64
}

func (z *inflating) Read(p []byte) (int, error) {
	n, err := z.d.Read(p)
	z.n += int64(n)
	if err == nil {
		return n, nil
	}
	z.a.end()
	// The library takes an end within the magic of a frame, and any
	// io.ErrUnexpectedEOF that it meets there, for the end of it all.
	if z.f.err != nil {
		err = z.f.err
	}
	if err == io.EOF {
		return n, io.EOF
	}
	if err == io.ErrUnexpectedEOF {
		err = fmt.Errorf("it is cut short: %w", err)
	}
	return n, fmt.Errorf("decompress: after %d bytes: %w", z.n, err)
}

func (z *inflating) Close() error {
	z.a.end()
	z.d.Close()
	return nil
}
