// railiance-restore-s2 restores the cluster layer, and proves that it could.
package main

import (
	"os"

	"github.com/railiance/railiance/tools/internal/plugin"
	"github.com/railiance/railiance/tools/internal/restorecli"
)

func main() { os.Exit(plugin.Main("railiance-restore-s2", restorecli.Command)) }
