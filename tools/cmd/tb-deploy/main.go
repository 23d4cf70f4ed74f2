// tb-deploy puts what mends the Thunderbolt network onto a node, so that it stays.
package main

import (
	"os"

	"github.com/railiance/railiance/tools/internal/shell"
	"github.com/railiance/railiance/tools/internal/tbcli"
)

func main() { os.Exit(shell.Main("tb-deploy", tbcli.Deploy)) }
