package tbtest

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
)

// node is the i-th node, not yet started.
func (r *Ring) node(i int) *Node {
	base := r.net.As4()
	at := func(k int) netip.Addr { return netip.AddrFrom4([4]byte{base[0], base[1], base[2], byte(4*i + k)}) }
	return &Node{
		Name: names()[i], Address: netip.AddrFrom4([4]byte{10, 77, 1, byte(i + 1)}), Management: at(2),
		Interfaces: []string{"thunderbolt0", "thunderbolt1"},
		ring:       r, index: i, gateway: at(1), outside: fmt.Sprintf("tb%02x%02xn%d", base[1], base[2], i),
	}
}

// Plug joins two interfaces by a new cable. They come as the kernel brings
// them: down, and in no bridge.
func (r *Ring) Plug(ctx context.Context, c Cable) error {
	a, b := r.Node(c[0].Node), r.Node(c[1].Node)
	_, err := output(ctx, "", "ip", "link", "add", "name", c[0].Interface, "mtu", fmt.Sprint(MTU), "netns", fmt.Sprint(a.init.pid()), "type", "veth",
		"peer", "name", c[1].Interface, "mtu", fmt.Sprint(MTU), "netns", fmt.Sprint(b.init.pid()))
	return err
}

// Unplug takes a cable away: the interfaces of both its ends are gone.
func (r *Ring) Unplug(ctx context.Context, c Cable) error {
	_, err := r.Node(c[0].Node).Run(ctx, "", "ip", "link", "delete", c[0].Interface)
	return err
}

// management joins the node to this machine.
func (n *Node) management(ctx context.Context) error {
	if _, err := output(ctx, fmt.Sprintf("link add name %s type veth peer name mgmt0 netns %d\naddr add %s/30 dev %s\nlink set %s up\n",
		n.outside, n.init.pid(), n.gateway, n.outside, n.outside), "ip", "-batch", "-"); err != nil {
		return err
	}
	n.joined = true
	_, err := n.Run(ctx, fmt.Sprintf("link set lo up\naddr add %s/30 dev mgmt0\nlink set mgmt0 up\n", n.Management), "ip", "-batch", "-")
	return err
}

// network puts what is plugged into a new bridge, and takes IPv6 from it as
// ifupdown2 does: a member would send for itself also where it blocks, under the
// MAC of the bridge if that is its own. The timers of spanning tree are the
// shortest that the kernel takes.
func (n *Node) network(ctx context.Context) error {
	if _, err := n.Run(ctx, "", "sh", "-c", fmt.Sprintf(`for i in %s; do echo 1 >/proc/sys/net/ipv6/conf/$i/disable_ipv6 || exit 1; done`, strings.Join(n.Interfaces, " "))); err != nil {
		return err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "link add name %s type bridge stp_state 1 forward_delay 200 hello_time 100 max_age 600 priority %d\n", Bridge, 4096*(n.index+1))
	for _, i := range n.Interfaces {
		fmt.Fprintf(&b, "link set %s mtu %d\nlink set %s master %s up\n", i, MTU, i, Bridge)
	}
	fmt.Fprintf(&b, "addr add %s/24 dev %s\nlink set %s up\n", n.Address, Bridge, Bridge)
	if _, err := n.Run(ctx, b.String(), "ip", "-batch", "-"); err != nil {
		return err
	}
	return n.filter(ctx, "")
}

// filter guards the machine from loops: a bridge without spanning tree would
// turn one frame into a hundred thousand a second. What holds spanning tree
// together is let through. lossy loses two
// of five packets that it receives.
func (n *Node) filter(ctx context.Context, lossy string) error {
	var b strings.Builder
	b.WriteString("table netdev ring\ndelete table netdev ring\ntable netdev ring {\n")
	for _, i := range n.Interfaces {
		loss := ""
		if i == lossy {
			loss = "ether type ip numgen random mod 5 < 2 drop; "
		}
		fmt.Fprintf(&b, "chain %s { type filter hook ingress device %q priority 0; ether daddr 01:80:c2:00:00:00 accept; limit rate over 3000/second burst 500 packets drop; %s}\n", i, i, loss)
	}
	b.WriteString("}\n")
	_, err := n.Run(ctx, b.String(), "nft", "-f", "-")
	return err
}
