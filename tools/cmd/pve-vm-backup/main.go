// pve-vm-backup backs the guests and nodes of a Proxmox cluster up.
package main

import (
	"os"

	"github.com/railiance/railiance/tools/internal/plugin"
	"github.com/railiance/railiance/tools/internal/pvecli"
)

func main() { os.Exit(plugin.Main("pve-vm-backup", pvecli.Command)) }
