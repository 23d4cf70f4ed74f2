package unseal

import "io"

const (
	aheadPiece  = 256 << 10
	aheadPieces = 4
)

// ahead reads r in a goroutine of its own, a few pieces before they are asked
// for: decrypting and decompressing go on beside each other.
type ahead struct {
	full, free chan []byte
	stop, done chan struct{}
	rest       []byte // of the piece that is being read
	piece      []byte
	err        error // of r; read after full is closed
}

func readAhead(r io.Reader) *ahead {
	a := &ahead{
		full: make(chan []byte, aheadPieces), free: make(chan []byte, aheadPieces),
		stop: make(chan struct{}), done: make(chan struct{}),
	}
	for range aheadPieces {
		a.free <- make([]byte, aheadPiece)
	}
	go a.fill(r)
	return a
}

func (a *ahead) fill(r io.Reader) {
	defer close(a.done)
	defer close(a.full)
	for a.err == nil {
		var piece []byte
		select {
		case piece = <-a.free:
		case <-a.stop:
			a.err = io.ErrClosedPipe
			return
		}
		n := 0
		for n < len(piece) && a.err == nil {
			var got int
			got, a.err = r.Read(piece[n:])
			n += got
			select {
			case <-a.stop:
				return
			default:
			}
		}
		a.full <- piece[:n]
	}
}

func (a *ahead) Read(p []byte) (int, error) {
	for len(a.rest) == 0 {
		if a.piece != nil {
			a.free <- a.piece[:aheadPiece]
			a.piece = nil
		}
		piece, more := <-a.full
		if !more {
			return 0, a.err
		}
		a.piece, a.rest = piece, piece
	}
	n := copy(p, a.rest)
	a.rest = a.rest[n:]
	return n, nil
}

// end returns when r is not read any more. Nothing may be read from a then.
func (a *ahead) end() {
	select {
	case <-a.stop:
	default:
		close(a.stop)
	}
	<-a.done
}
