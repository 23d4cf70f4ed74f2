// tb-check tells what is wrong with a cluster's Thunderbolt network.
package main

import (
	"os"

	"github.com/railiance/railiance/tools/internal/shell"
	"github.com/railiance/railiance/tools/internal/tbcli"
)

func main() { os.Exit(shell.Main("tb-check", tbcli.Check)) }
