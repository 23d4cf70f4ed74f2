// Package pvecli is the command line of pve-vm-backup: the guests and nodes of a
// Proxmox cluster, backed up over ssh into sites, each verb in a file of its own.
//
// The one thing to know: what there is stands in the sites, under signatures. A
// verb that reads asks them each time, and a site that cannot be reached fails
// the verb without keeping it from the others.
package pvecli

import (
	"github.com/spf13/cobra"

	"github.com/railiance/railiance/tools/internal/layercli"
	"github.com/railiance/railiance/tools/internal/plugin"
)

// Command is every verb of pve-vm-backup.
func Command(sh *plugin.Shell) *cobra.Command {
	root := &cobra.Command{Short: "Back up, verify and restore the guests and nodes of a Proxmox cluster"}
	root.AddCommand(
		discover(sh),
		backup(sh),
		list(sh),
		show(sh),
		status(sh),
		verify(sh),
		prune(sh),
		restore(sh),
		extract(sh),
		drill(sh),
		plan(sh),
		layercli.Trust(sh),
		layercli.Init(sh),
		layercli.Schedule(sh, schedulePlan),
	)
	return root
}
