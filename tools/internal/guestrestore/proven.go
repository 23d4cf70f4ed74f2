package guestrestore

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/railiance/railiance/tools/internal/cttar"
	"github.com/railiance/railiance/tools/internal/guestread"
	"github.com/railiance/railiance/tools/internal/guestset"
	"github.com/railiance/railiance/tools/internal/vma"
)

const (
	// heldBack is how many bytes of an archive wait for its proof. It is more
	// than the record of tar that the end mark lies in, so that a container's
	// archive is torn without them, too.
	heldBack = 128 << 10
	chunk    = 256 << 10
	// headStart is what is there of an archive before a restore begins: more
	// than the largest head of a VMA, for which qmrestore waits a minute only.
	headStart = 1 << 20
)

// proven is an archive on its way into a cluster. It is taken apart while it
// passes; its last bytes, and io.EOF, come only when all of it is proven: the
// ciphertext, every disk, and the digests of the day of the backup.
type proven struct {
	ctx      context.Context
	o        *opened
	check    *io.PipeWriter
	verdict  chan error
	buffer   []byte
	from, to int // what of buffer is not passed on
	whole    bool
	err      error
}

func (o *opened) proven(ctx context.Context) *proven {
	r, w := io.Pipe()
	p := &proven{ctx: ctx, o: o, check: w, verdict: make(chan error, 1), buffer: make([]byte, heldBack+4*chunk)}
	go func() {
		err := o.verify(r)
		_ = r.CloseWithError(errors.Join(errChecked, err))
		p.verdict <- err
	}()
	return p
}

// verify takes the archive apart and compares it with the account.
func (o *opened) verify(r io.Reader) error {
	switch o.Kind {
	case guestset.KindVMA:
		found, err := vma.Verify(r)
		if err != nil {
			return err
		}
		return guestread.Disks(found, o.about)
	case guestset.KindTar:
		found, err := cttar.Verify(r)
		if err != nil {
			return err
		}
		return guestread.Container(found, o.about)
	}
	return fmt.Errorf("an archive of kind %q is not of a guest", o.Kind)
}

// errChecked is what is written to a check that has ended.
var errChecked = errors.New("nobody reads it any more")

func (p *proven) Read(b []byte) (int, error) {
	for !p.whole && p.err == nil && p.to-p.from <= heldBack {
		p.more()
	}
	switch ready := p.ready(); {
	case p.err != nil:
		return 0, p.err
	case ready > 0:
		n := copy(b, p.buffer[p.from:p.from+ready])
		p.from += n
		return n, nil
	}
	return 0, io.EOF
}

func (p *proven) ready() int {
	if p.whole {
		return p.to - p.from
	}
	return max(0, p.to-p.from-heldBack)
}

// more reads on, and has what it reads checked.
func (p *proven) more() {
	if len(p.buffer)-p.to < chunk {
		p.to = copy(p.buffer, p.buffer[p.from:p.to])
		p.from = 0
	}
	n, err := p.o.archive.Read(p.buffer[p.to:])
	if _, broken := p.check.Write(p.buffer[p.to : p.to+n]); broken != nil {
		p.err = p.o.prove(p.ctx, <-p.verdict)
		return
	}
	p.to += n
	switch {
	case err == io.EOF:
		_ = p.check.Close()
		verdict := <-p.verdict
		if p.err = p.o.prove(p.ctx, verdict); p.err == nil {
			p.whole = true
		}
	case err != nil:
		_ = p.check.CloseWithError(err)
		<-p.verdict
		p.err = unreliable(p.ctx, err)
	}
}

// Close ends the check of an archive that is not read to its end.
func (p *proven) Close() error {
	if !p.whole && p.err == nil {
		p.err = fmt.Errorf("%s: %w", p.o.Name, io.ErrClosedPipe)
		_ = p.check.CloseWithError(p.err)
		<-p.verdict
	}
	return p.o.archive.Close()
}
