// Package guide writes down how a set is restored: the RESTORE.md that lies
// beside the sets, for somebody who has nothing else, and the guide that `make
// restore` prints for this machine.
package guide

import (
	"bytes"
	_ "embed"
	"fmt"
	"os"
	"path/filepath"

	"github.com/railiance/railiance/tools/internal/layer"
	"github.com/railiance/railiance/tools/internal/state"
)

// RestorePage is the name of the page in a layer's backup folder.
const RestorePage = "RESTORE.md"

//go:embed restore.md
var restorePage []byte

// WriteRestorePage makes the page in the backup folder say what this version
// knows of restoring. A page that says it already is left alone.
func WriteRestorePage(dir string, _ *layer.Layer) error {
	path := filepath.Join(dir, RestorePage)
	if there, err := os.ReadFile(path); err == nil && bytes.Equal(there, restorePage) {
		return nil
	}
	if err := state.ReplaceBytes(path, restorePage, 0o600); err != nil {
		return fmt.Errorf("%s: %w", RestorePage, err)
	}
	return nil
}
