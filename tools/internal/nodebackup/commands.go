package nodebackup

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/railiance/railiance/tools/internal/host"
	"github.com/railiance/railiance/tools/internal/nodetar"
	"github.com/railiance/railiance/tools/internal/setrun"
)

const (
	commandTimeout = 30 * time.Second
	commandMax     = 8 << 20 // bytes that one may print
	versionName    = "pveversion.txt"
	absentStatus   = 127 // of timeout, and of a shell, for a program that is not there
)

// command is a program whose answer belongs to the picture of a node. It changes
// nothing there.
type command struct {
	name   string // of the member, below nodetar.Commands
	needed bool   // a node that cannot say it is worth a word
	args   []string
}

// commands are the programs. Those of storages and firmware that a node may well
// not have just fail.
func commands() []command {
	c := func(name, line string) command { return command{name: name, args: strings.Fields(line)} }
	must := func(name, line string) command { return command{name, true, strings.Fields(line)} }
	return []command{
		must(versionName, "pveversion"),
		c("pveversion-v.txt", "pveversion -v"),
		must("uname.txt", "uname -a"),
		must("packages.txt", "dpkg-query -W"),
		must("packages-chosen.txt", "apt-mark showmanual"),
		must("disks.json", "lsblk -J -b -O"),
		c("blkid.txt", "blkid"),
		c("mounts.json", "findmnt -J"),
		c("lvm-pvs.json", "pvs --reportformat json --units b -o +pv_all"),
		c("lvm-vgs.json", "vgs --reportformat json --units b -o +vg_all"),
		c("lvm-lvs.json", "lvs --reportformat json --units b -a -o +lv_all,seg_all"),
		c("zpool-list.txt", "zpool list -v -P"),
		c("zpool-status.txt", "zpool status -P"),
		c("zfs-list.json", "zfs list -j -t all"),
		c("zfs-list.txt", "zfs list -t all"),
		must("addresses.json", "ip -j -d addr"),
		must("routes.json", "ip -j route show table all"),
		must("links.json", "ip -j -d link"),
		c("bridges.json", "bridge -j -d link"),
		c("vlans.json", "bridge -j vlan"),
		must("cmdline.txt", "cat /proc/cmdline"),
		c("boot-tool.txt", "proxmox-boot-tool status"),
		c("efi.txt", "efibootmgr -v"),
		c("members.json", "cat /etc/pve/.members"),
		c("guests.json", "cat /etc/pve/.vmlist"),
		c("corosync.txt", "pvecm status"),
		c("storages.txt", "pvesm status"),
	}
}

// commands adds what the programs of the node say. What one says with an exit
// status of failure is kept as well.
func (c *collection) commands(ctx context.Context) error {
	for _, command := range commands() {
		said, out, err := c.ask(ctx, command)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if lost := (*host.SSHError)(nil); errors.As(err, &lost) {
			return err // each of the others would wait for it
		}
		if len(out) > 0 {
			said.Name = nodetar.Commands + "/" + command.name
			if err := c.text(said.Name, string(out)); err != nil {
				return err
			}
		}
		if fields := strings.Split(string(out), "/"); command.name == versionName && c.version == "" && said.Status == "ok" && len(fields) > 2 {
			c.version = setrun.Short(host.Printable(fields[1])) // pve-manager/9.2.11/…
			c.report.Version = c.version
		}
		c.report.Commands = append(c.report.Commands, said)
		if command.needed && said.Status != "ok" {
			c.find(said.Command+" did not answer", setrun.Short(said.Why))
		}
	}
	return nil
}

func (c *collection) ask(ctx context.Context, command command) (answer, []byte, error) {
	begin := time.Now()
	said := answer{Command: strings.Join(command.args, " "), Status: "ok"}
	over := commandTimeout + host.DefaultConnectTimeout
	ctx, cancel := context.WithTimeoutCause(ctx, over, fmt.Errorf("no answer in %s", over))
	defer cancel()
	out, err := host.Output(ctx, c.remote.Command(host.Command{
		Args: append([]string{"timeout", "-k", "5", strconv.Itoa(int(commandTimeout / time.Second))}, command.args...),
		Env:  []string{"LC_ALL=C.UTF-8"},
	}), commandMax)
	said.Seconds = time.Since(begin).Round(time.Millisecond).Seconds()
	if err != nil {
		said.Status, said.Why = "failed", setrun.Short(host.Printable(err.Error()))
		if exit := (*host.ExitError)(nil); errors.As(err, &exit) && exit.Code == absentStatus {
			said.Status, said.Why = "absent", "the node has no such program"
		}
	}
	return said, out, err
}
