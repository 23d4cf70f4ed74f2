// Package tbdeploy puts what mends a Thunderbolt network onto a node, so that it
// stays: names and MTU by udev, the bridge by ifupdown2, and a hook by which an
// interface that is plugged in anew gets back into its bridge.
//
// The one thing to know: nothing is final until a fresh check of all nodes over
// the management network has found it no worse than before. Until then a timer
// on the node stands ready to undo it all, and needs nobody to do so.
package tbdeploy

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/railiance/railiance/tools/internal/thunderbolt"
)

// File is a file of a node.
type File struct {
	Path string
	Mode string // octal
	Text string
	Link string // where the symbolic link leads that it is; Text is then what is there
	Gone bool   // it is not to be there

	// Kept is what the node has kept of it, as deployment/number; empty: nothing.
	// From there it comes back as it was: also the link, mode and owner.
	Kept string
}

// Where the files are.
const (
	rulesPath  = "/etc/udev/rules.d/82-railiance-thunderbolt.rules"
	linkPath   = "/etc/systemd/network/10-railiance-%s.link"
	stanzaPath = "/etc/network/interfaces.d/railiance-thunderbolt"
	hookPath   = "/usr/local/sbin/railiance-thunderbolt-join"
)

const head = "# Written by tb-deploy from the cluster context. Change it there: what is edited\n# here is noticed, and not overwritten without being asked to.\n"

// Files are the files of a node. paths are the places of its interfaces on the
// bus, by name, as udev's ID_PATH; those that have none keep the name that they
// have.
func Files(p thunderbolt.Plan, node string, paths map[string]string) ([]File, error) {
	n := p.Node(node)
	if n == nil || len(n.Interfaces) == 0 {
		return nil, fmt.Errorf("%s: has no Thunderbolt interfaces in the context", node)
	}
	if p.MTU == 0 {
		return nil, fmt.Errorf("%s: the context tells no MTU", node)
	}
	files := []File{
		{Path: rulesPath, Mode: "0644", Text: rules(n.Interfaces, p.MTU)},
		{Path: stanzaPath, Mode: "0644", Text: stanza(p, n)},
		{Path: hookPath, Mode: "0755", Text: hook(p, n)},
	}
	for _, i := range n.Interfaces {
		if path := paths[i]; path != "" {
			files = append(files, File{Path: fmt.Sprintf(linkPath, i), Mode: "0644", Text: link(i, path, p.MTU)})
		}
	}
	return files, nil
}

// link names an interface before anybody else sees it; a rule would do it later,
// and lose to a .link of the system's.
func link(name, path string, mtu int) string {
	return head + fmt.Sprintf("[Match]\nPath=%s\n\n[Link]\nName=%s\nMTUBytes=%d\n", path, name, mtu)
}

// rules act on "move" as well: what is renamed is seen under its last name.
func rules(interfaces []string, mtu int) string {
	var b strings.Builder
	b.WriteString(head)
	for _, i := range interfaces {
		fmt.Fprintf(&b, "SUBSYSTEM==\"net\", ACTION==\"add|move\", KERNEL==\"%s\", ATTR{mtu}=\"%d\", RUN+=\"%s %s\"\n", i, mtu, hookPath, i)
	}
	return b.String()
}

func stanza(p thunderbolt.Plan, n *thunderbolt.PlanNode) string {
	var b strings.Builder
	b.WriteString(head)
	if !p.Routed {
		place := slices.IndexFunc(p.Nodes, func(o thunderbolt.PlanNode) bool { return o.Name == n.Name })
		maxAge, delay := timers(len(p.Nodes))
		fmt.Fprintf(&b, "\nauto %s\niface %s\n", p.Bridge, p.Bridge)
		for _, a := range n.Addresses {
			fmt.Fprintf(&b, "    address %s\n", a)
		}
		fmt.Fprintf(&b, "    bridge-ports %s\n", strings.Join(n.Interfaces, " "))
		if p.NoSTP {
			b.WriteString("    bridge-stp off\n    bridge-fd 0\n")
		} else {
			// The order of the nodes says which leads, and so which cable rests.
			fmt.Fprintf(&b, "    bridge-stp on\n    bridge-bridgeprio %d\n    bridge-hello 2\n    bridge-maxage %d\n    bridge-fd %d\n", min(place+1, 15)*4096, maxAge, delay)
		}
		fmt.Fprintf(&b, "    mtu %d\n", p.MTU)
	}
	hosts, nets := ownAddresses(p, n)
	if len(hosts) > 0 {
		fmt.Fprintf(&b, "\nauto %s\niface %s\n", loopback, loopback)
		for _, a := range hosts {
			fmt.Fprintf(&b, "    address %s\n", a)
		}
	}
	for k, i := range n.Interfaces {
		fmt.Fprintf(&b, "\nallow-hotplug %s\niface %s\n", i, i)
		if k == 0 {
			for _, a := range nets {
				fmt.Fprintf(&b, "    address %s\n", a)
			}
		}
		fmt.Fprintf(&b, "    mtu %d\n", p.MTU)
	}
	return b.String()
}

const loopback = "lo"

// ownAddresses are those of a routed network that belong to the node itself, and
// must outlive every cable, and those that bring a network of the cable's with
// them. On the loopback these would claim all addresses of it.
func ownAddresses(p thunderbolt.Plan, n *thunderbolt.PlanNode) (hosts, nets []netip.Prefix) {
	if !p.Routed {
		return nil, nil
	}
	for _, a := range n.Addresses {
		if a.IsSingleIP() {
			hosts = append(hosts, a)
		} else {
			nets = append(nets, a)
		}
	}
	return hosts, nets
}

// timers are the shortest that 802.1D allows for a ring of n bridges, in
// seconds: news of the root must outlive the way around an open ring, and who
// is about to forward must wait for who has not heard.
func timers(n int) (maxAge, delay int) {
	maxAge = min(max(6, n+2), 40)
	return maxAge, (maxAge+1)/2 + 1
}

// hook joins an interface to its bridge. ifupdown2 does not do so for one that
// appears later: nothing in Debian calls its ifup for hotplug.
func hook(p thunderbolt.Plan, n *thunderbolt.PlanNode) string {
	var b strings.Builder
	b.WriteString("#!/bin/sh\n" + head)
	fmt.Fprintf(&b, `# udev calls it with the name of an interface that appeared.
PATH=/usr/sbin:/usr/bin:/sbin:/bin
case $1 in
%s) ;;
*) exit 0 ;;
esac
[ -e "/sys/class/net/$1" ] || exit 0
ip link set dev "$1" mtu %d
`, strings.Join(n.Interfaces, " | "), p.MTU)
	if !p.Routed {
		fmt.Fprintf(&b, `# At boot the bridge comes later, and takes what is there.
[ -d /sys/class/net/%[1]s/bridge ] || exit 0
# What it sent for itself where it blocks would lead other bridges astray.
{ echo 1 >"/proc/sys/net/ipv6/conf/$1/disable_ipv6"; } 2>/dev/null
ip link set dev "$1" master %[1]s || exit 1
ip link set dev "$1" up
# A bridge follows the lowest of its members, and may not come up again.
ip link set dev %[1]s mtu %[2]d
`, p.Bridge, p.MTU)
	} else {
		// udev ends what its rules leave running.
		b.WriteString("ip link set dev \"$1\" up\nsystemd-run --no-block --collect ifup \"$1\" 2>/dev/null || { setsid ifup \"$1\" </dev/null >/dev/null 2>&1 & }\n")
	}
	b.WriteString("logger -t railiance-thunderbolt \"$1 is back\" 2>/dev/null\nexit 0\n")
	return b.String()
}
