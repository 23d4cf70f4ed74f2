// mkvma makes of a raw image the archive that vzdump would make of a running
// guest with that disk: mkvma IMAGE ARCHIVE.
package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"

	"github.com/railiance/railiance/tools/internal/vma/vmatest"
)

// reach is how far clusters are out of order: 30 MiB were seen.
const reach = 240

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: mkvma IMAGE ARCHIVE")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "mkvma:", err)
		os.Exit(1)
	}
}

func run(image, archive string) error {
	in, err := os.Open(image)
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	guest := vmatest.Guest(vmatest.Disk{Name: "drive-scsi0", Size: info.Size(), Content: in})
	guest.Order = vmatest.Live(guest.Disks, reach, 1)
	out, err := os.OpenFile(archive, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	buffered := bufio.NewWriterSize(out, 1<<20)
	return errors.Join(guest.Write(buffered), buffered.Flush(), out.Close())
}
