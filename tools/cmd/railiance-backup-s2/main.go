// railiance-backup-s2 backs the cluster layer up.
package main

import (
	"os"

	"github.com/railiance/railiance/tools/internal/backupcli"
	"github.com/railiance/railiance/tools/internal/plugin"
)

func main() { os.Exit(plugin.Main("railiance-backup-s2", backupcli.Command)) }
