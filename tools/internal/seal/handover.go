package seal

import "io"

const (
	pieceSize = 256 << 10 // four age chunks; below that, hand-overs show
	pieces    = 4
)

// handover is the way of bytes from one goroutine to another: a few pieces of
// fixed size, used again and again.
type handover struct {
	full, free chan []byte
	current    []byte // what is being filled
	err        error  // why it ended; read after full is closed
}

func newHandover() *handover {
	h := &handover{full: make(chan []byte, pieces), free: make(chan []byte, pieces)}
	for range pieces {
		h.free <- make([]byte, 0, pieceSize)
	}
	return h
}

// fill takes as much of p as fits into the current piece, and returns the piece
// once it is full. Sending it is up to the caller.
func (h *handover) fill(p []byte) (n int, whole []byte) {
	if h.current == nil {
		h.current = <-h.free
	}
	n = copy(h.current[len(h.current):cap(h.current)], p)
	h.current = h.current[:len(h.current)+n]
	if len(h.current) < cap(h.current) {
		return n, nil
	}
	return n, h.rest()
}

// rest is what was filled so far; nil: nothing.
func (h *handover) rest() []byte {
	piece := h.current
	h.current = nil
	return piece
}

// end says that nothing more comes, and why: nil is a good end.
func (h *handover) end(err error) {
	h.err = err
	close(h.full)
}

// reader reads what was handed over.
type reader struct {
	*handover
	piece []byte // to be given back
	left  []byte // of it
}

func (r *reader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for len(r.left) == 0 {
		r.giveBack()
		piece, ok := <-r.full
		switch {
		case ok:
			r.piece, r.left = piece, piece
		case r.err != nil:
			return 0, r.err
		default:
			return 0, io.EOF
		}
	}
	n := copy(p, r.left)
	r.left = r.left[n:]
	return n, nil
}

func (r *reader) giveBack() {
	if r.piece != nil {
		r.free <- r.piece[:0]
		r.piece = nil
	}
}

// drain takes all that still comes, so that the other side need not wait.
func (r *reader) drain() {
	r.left = nil
	r.giveBack()
	for piece := range r.full {
		r.free <- piece[:0]
	}
}
