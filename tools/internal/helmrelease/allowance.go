package helmrelease

import (
	"fmt"
	"io"
)

// maxObject bounds one object of a list. The API server's own limit is 3 MB
// for what is sent to it; base64 and managed fields come on top.
const maxObject = 16 << 20

var errTooLarge = fmt.Errorf("an object is larger than %d MiB", maxObject>>20)

// allowance stops a reader that has given more than was allowed since the last
// time that left was set.
type allowance struct {
	r    io.Reader
	left int
}

func (a *allowance) Read(p []byte) (int, error) {
	if a.left <= 0 {
		return 0, errTooLarge
	}
	n, err := a.r.Read(p[:min(len(p), a.left)])
	a.left -= n
	return n, err
}
