package nodebackup_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/railiance/railiance/tools/internal/nodebackup"
)

// The page in the repository is the guide in the backups.
func TestGuideOfThePage(t *testing.T) {
	b, err := os.ReadFile(filepath.Join("..", "..", "..", "layers", "madagascar", "REBUILD.md"))
	ok(t, err)
	_, page, found := strings.Cut(string(b), "node's name here.\n")
	_, guide, begun := strings.Cut(nodebackup.Guide("NODE"), "\n")
	if !found || !begun || page != guide {
		t.Error("layers/madagascar/REBUILD.md is not what nodebackup has: copy it, with its own beginning")
	}
}
