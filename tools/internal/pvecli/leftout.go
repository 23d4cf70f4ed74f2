package pvecli

import (
	"fmt"
	"io"

	"github.com/railiance/railiance/tools/internal/guestset"
	"github.com/railiance/railiance/tools/internal/host"
)

// leftOut is what a backup does not have of the guest, in words.
func leftOut(all []guestset.LeftOut) []string {
	var words []string
	for _, out := range all {
		words = append(words, host.Printable(out.Key+": "+out.Why))
	}
	return words
}

func showLeftOut(w io.Writer, words []string) {
	for _, out := range words {
		fmt.Fprintf(w, "    not in the backup: %s\n", out)
	}
}
