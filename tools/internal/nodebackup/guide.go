package nodebackup

import (
	_ "embed"
	"strings"
)

//go:embed REBUILD.md
var guide string

// Guide is how the node of that name is built anew from its backup.
func Guide(node string) string { return strings.ReplaceAll(guide, "NODE", node) }
