package guestbackup

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"

	"github.com/railiance/railiance/tools/internal/catalog"
	"github.com/railiance/railiance/tools/internal/cttar"
	"github.com/railiance/railiance/tools/internal/guestset"
	"github.com/railiance/railiance/tools/internal/pve"
	"github.com/railiance/railiance/tools/internal/seal"
	"github.com/railiance/railiance/tools/internal/vma"
)

// dump is one dump of a guest while it is taken, and what is known of it then.
type dump struct {
	cluster Cluster
	guest   pve.Guest
	options pve.DumpOptions
	shown   io.Writer // of the progress

	read     int64
	log      string
	machine  vma.Archive   // of a VM
	tar      cttar.Archive // of a container
	findings []catalog.Finding
}

// stream is what vzdump writes, read as an archive on its way.
func (d *dump) stream(ctx context.Context) seal.Stream {
	verify := d.verifyVM
	if d.guest.Type == pve.CT {
		verify = d.verifyCT
	}
	dumped := seal.Stream(func(w io.Writer) error {
		var err error
		d.log, err = d.cluster.Dump(ctx, d.guest, d.options, io.MultiWriter(w, d.shown, counter{&d.read}))
		if err == nil && d.read == 0 {
			err = pve.ErrNothing
		}
		return err
	})
	return dumped.Checked(func(r io.Reader) error {
		seen := int64(0)
		err := verify(io.TeeReader(r, counter{&seen}))
		if seen == 0 {
			return nil // that there is nothing is told by who wrote it
		}
		return err
	}).Zstd()
}

type counter struct{ n *int64 }

func (c counter) Write(p []byte) (int, error) {
	*c.n += int64(len(p))
	return len(p), nil
}

func (d *dump) verifyVM(r io.Reader) error {
	archive, err := vma.Verify(r)
	if err != nil {
		return err
	}
	d.machine = archive
	return d.compare()
}

// compare compares the drives of the archive with those that the guest had a
// moment before. Its configuration in the archive was compared with the devices
// already; but a drive that is not in it at all would not be missed.
func (d *dump) compare() error {
	sizes := map[string]int64{}
	drives := d.machine.Drives()
	for _, device := range d.machine.Devices {
		if drive := drives[device.Name]; drive != "" {
			sizes[drive] = device.Size
		}
	}
	for _, disk := range d.guest.Disks {
		size, there := sizes[disk.Key]
		delete(sizes, disk.Key)
		switch {
		case disk.InBackup && !there:
			return fmt.Errorf("disk %s (%s) is not in the archive: was the guest changed while it was backed up?", disk.Key, disk.Volume)
		case !disk.InBackup && there:
			d.surplus(disk.Key, disk.Why)
		case there && disk.Size > 0 && size+sizeSlack < disk.Size:
			d.findings = append(d.findings, catalog.Finding{
				What: fmt.Sprintf("disk %s has %d bytes in the archive, and %d in the guest's configuration", disk.Key, size, disk.Size),
				Why:  "qm rescan tells whether the configuration is only out of date",
			})
		}
	}
	for _, key := range slices.Sorted(maps.Keys(sizes)) {
		d.surplus(key, "the guest did not have it a moment before")
	}
	return nil
}

// surplus notes a disk too many. It is no reason to have no backup, but one to
// look twice.
func (d *dump) surplus(key, why string) {
	d.findings = append(d.findings, catalog.Finding{What: "disk " + key + " is in the archive, and was not to be", Why: why})
}

// sizeSlack is how far the size in a configuration, which is rounded, may be off.
const sizeSlack = 1 << 20

func (d *dump) verifyCT(r io.Reader) (err error) {
	d.tar, err = cttar.Verify(r)
	if d.tar.OwnConfig {
		d.findings = append(d.findings, catalog.Finding{
			What: "the container has files of its own below /etc/vzdump",
			Why:  "a restore could take them for the container's configuration",
		})
	}
	return err
}

// warnings are the findings that the log of vzdump is worth.
func (d *dump) warnings() []catalog.Finding {
	all := d.findings
	for _, line := range pve.Warnings(d.log) {
		all = append(all, catalog.Finding{What: "vzdump: " + line})
	}
	return all
}

// describe tells in the manifest what the artifact holds.
func (d *dump) describe(version string) func(*catalog.Artifact) {
	return func(a *catalog.Artifact) {
		a.Source = map[string]string{
			"guest": strconv.Itoa(d.guest.ID), "type": d.guest.Type, "node": d.guest.Node, "mode": d.options.Mode,
		}
		for key, value := range map[string]string{"name": d.guest.Name, "pve": version, identity: d.guest.Identity} {
			if value != "" {
				a.Source[key] = value
			}
		}
		if d.guest.Type == pve.CT {
			a.Checks = []catalog.Check{{Name: "tar: every member whole, and its end there", Verdict: "ok"}}
			a.Contents = catalog.Contents{"members": d.tar.Members, "bytes": d.tar.Bytes, "archive": d.read}
			return
		}
		a.Checks = []catalog.Check{{Name: "vma: every cluster of every disk exactly once", Verdict: "ok"}}
		a.Contents = catalog.Contents{"devices": int64(len(d.machine.Devices)), "archive": d.read}
		for _, disk := range d.disks() {
			a.Contents["bytes"] += disk.Size
			a.Contents["stored"] += disk.Stored
			a.Contents["disk/"+disk.Key] = disk.Size
		}
	}
}

// disks are those of the archive.
func (d *dump) disks() []guestset.Disk {
	var all []guestset.Disk
	drives := d.machine.Drives()
	for _, device := range d.machine.Devices {
		drive := drives[device.Name]
		if drive == "" {
			drive = device.Name // the memory of a guest
		}
		all = append(all, guestset.Disk{Key: drive, Device: device.Name, Size: device.Size, Stored: device.Stored, Digest: device.Digest})
	}
	return all
}

// about is the account of the dump.
func (d *dump) about() guestset.About {
	a := guestset.About{
		Guest: d.guest.ID, Type: d.guest.Type, Name: d.guest.Name, Node: d.guest.Node, Mode: d.options.Mode, Log: d.log,
	}
	if d.guest.Type == pve.CT {
		a.Config, a.Firewall = string(d.tar.Config), string(d.tar.Firewall)
		a.Tar = &guestset.Tar{Members: d.tar.Members, Bytes: d.tar.Bytes, Digest: d.tar.Digest}
	} else {
		a.Disks = d.disks()
		for _, c := range d.machine.Configs {
			switch c.Name {
			case "qemu-server.conf":
				a.Config = string(c.Data)
			case "qemu-server.fw":
				a.Firewall = string(c.Data)
			}
		}
	}
	for _, disk := range d.leftOut() {
		a.LeftOut = append(a.LeftOut, guestset.LeftOut{Key: disk.Key, Why: disk.Why})
	}
	return a
}

// leftOut are the disks of the guest that are not in the archive.
func (d *dump) leftOut() []pve.Disk {
	held := map[string]bool{}
	for _, drive := range d.machine.Drives() {
		held[drive] = true
	}
	return slices.DeleteFunc(d.guest.LeftOut(), func(disk pve.Disk) bool { return held[disk.Key] })
}
