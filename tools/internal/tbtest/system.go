package tbtest

import (
	"context"
	"fmt"
	"os/exec"
)

// Live gives the nodes what a Proxmox node has besides a kernel: ifupdown2 with
// a file that reads interfaces.d, and udevd. Needs ifupdown2 and udev.
func (r *Ring) Live(ctx context.Context) error {
	for _, program := range LivePrograms() {
		if _, err := exec.LookPath(program); err != nil {
			return fmt.Errorf("thunderbolt ring: needs %s", program)
		}
	}
	return r.all(func(n *Node) error {
		_, err := n.Run(ctx, "", "sh", "-euc", `
printf 'auto lo\niface lo inet loopback\n\nsource /etc/network/interfaces.d/*\n' >/etc/network/interfaces
rm -rf /var/tmp/network /etc/network/interfaces.d/* /var/lib/railiance
setsid /lib/systemd/systemd-udevd --daemon </dev/null >/dev/null 2>&1
udevadm control --ping --timeout 10`)
		return err
	})
}

// LivePrograms are what Live needs on the machine.
func LivePrograms() []string { return []string{"ifup", "ifquery", "udevadm", "flock", "setsid"} }
