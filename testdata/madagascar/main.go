// Command madagascar is the main job of the guests from end to end, told as it
// goes: a Proxmox cluster of three nodes behind real sshds is discovered, backed
// up to a folder, to S3 and to WebDAV at once, verified, damaged, pruned, lost
// and restored. All of it happens in one folder; nothing outside is touched.
//
// The one thing to know: it runs below pveworld, which keeps the nodes up, and
// asks them and the stores' disks what is there, never the code that it shows.
package main

import "github.com/railiance/railiance/testdata/told"

func main() {
	told.Demo[*world]{
		Parts: "versitygw", Settle: settle, Steps: steps, Saboteurs: saboteurs, End: (*world).end,
		Good: "every guest came back to the byte",
	}.Main()
}
