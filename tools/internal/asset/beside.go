package asset

import (
	"errors"
	"fmt"
	"io"

	"github.com/railiance/railiance/tools/internal/seal"
)

// copyBeside copies r to w and, in a goroutine of its own, to beside.
func copyBeside(w io.Writer, r io.Reader, beside io.Writer) error {
	side := seal.Beside(beside)
	_, err := io.CopyBuffer(onlyWriter{io.MultiWriter(w, side)}, onlyReader{r}, make([]byte, 256<<10))
	if err := errors.Join(err, side.Close()); err != nil {
		return fmt.Errorf("copy: %w", err)
	}
	return nil
}

// onlyWriter and onlyReader keep io.Copy to our buffer: its short cuts would
// go past the second writer or in smaller steps.
type (
	onlyWriter struct{ io.Writer }
	onlyReader struct{ io.Reader }
)
