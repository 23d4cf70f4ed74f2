package clustercontext

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/railiance/railiance/tools/internal/host"
)

func (d *decoder) cluster(m member) Cluster {
	c := Cluster{Name: m.key}
	o := d.object(m.node, "cluster")
	nodes, there := o.find("nodes")
	if !there && m.value != nil {
		d.fault(m.node, "has no nodes")
	}
	for _, n := range d.named(nodes) {
		c.Nodes = append(c.Nodes, d.node(n))
	}
	var names []string
	for _, n := range c.Nodes {
		names = append(names, n.Name)
	}
	networks, _ := o.find("networks")
	both := d.object(networks, "networks")
	if wan, there := both.find("wan"); there {
		c.WAN = d.network(wan, names)
		if c.WAN.Mode != "" {
			mode, _ := wan.value.(object).find("mode")
			d.fault(mode, "only a thunderbridge has a mode")
		}
	}
	if bridge, there := both.find("thunderbridge"); there {
		c.Thunderbridge = d.network(bridge, names)
		d.mode(bridge, c.Thunderbridge)
	}
	servers, _ := o.find("backupServers")
	for _, m := range d.named(servers) {
		c.BackupServers = append(c.BackupServers, d.server(m))
	}
	return c
}

func (d *decoder) node(m member) Node {
	n := Node{Name: m.key}
	hosts, there := d.object(m.node, "node").find("hosts")
	if _, ok := m.value.(object); ok && !there {
		d.fault(m.node, "has no hosts: how does ssh reach it?")
	}
	if byName, ok := hosts.value.(object); ok {
		for _, h := range d.named(hosts) {
			n.Hosts = append(n.Hosts, Host{h.key, d.target(h.node)})
		}
		if len(byName) == 0 {
			d.fault(hosts, "is empty")
		}
		return n
	}
	all := d.strings(hosts)
	if _, is := hosts.value.(list); is && len(all) == 0 {
		d.fault(hosts, "is empty")
	}
	for _, h := range all {
		n.Hosts = append(n.Hosts, Host{Target: d.target(h)})
	}
	return n
}

// target is n as something that ssh may be given.
func (d *decoder) target(n node) string {
	s := d.string(n)
	if s == "" {
		return ""
	}
	if err := (host.Remote{Target: s}).Check(); err != nil {
		d.fault(n, "%v", err)
	}
	d.once(n, "ssh target "+s)
	return s
}

func (d *decoder) network(n node, nodes []string) *Network {
	net := &Network{Addresses: map[string][]netip.Prefix{}, Interfaces: map[string][]string{}}
	o := d.object(n, "network")
	if mode, there := o.find("mode"); there {
		if net.Mode = d.string(mode); net.Mode != Bridge && net.Mode != Routed && net.Mode != "" {
			d.fault(mode, "is %q; it must be %s or %s", net.Mode, Bridge, Routed)
		}
	}
	if bridge, there := o.find("bridge"); there {
		net.Bridge = d.interfaceName(bridge)
	}
	if mtu, there := o.find("mtu"); there {
		net.MTU = d.whole(mtu, 576, 65535)
	}
	if stp, there := o.find("stp"); there {
		if on, ok := d.bool(stp); ok {
			net.STP = &on
		}
	}
	if gateway, there := o.find("gateway"); there {
		if s := d.string(gateway); s != "" {
			var err error
			if net.Gateway, err = netip.ParseAddr(s); err != nil {
				d.fault(gateway, "%q is no address", s)
			}
		}
	}
	addresses, _ := o.find("addresses")
	for _, m := range d.ofNodes(addresses, nodes) {
		for _, a := range d.strings(m.node) {
			if prefix, ok := d.prefix(a); ok {
				net.Addresses[m.key] = append(net.Addresses[m.key], prefix)
			}
		}
	}
	interfaces, _ := o.find("interfaces")
	for _, m := range d.ofNodes(interfaces, nodes) {
		for _, i := range d.strings(m.node) {
			name := d.interfaceName(i)
			if slices.Contains(net.Interfaces[m.key], name) {
				d.fault(i, "%s is there twice", name)
			}
			net.Interfaces[m.key] = append(net.Interfaces[m.key], name)
		}
	}
	d.paths(o, net, nodes)
	d.cables(o, net, nodes)
	return net
}

// paths are where interfaces are on the bus. They become lines of files on the
// nodes, and so must be plain words.
func (d *decoder) paths(o object, net *Network, nodes []string) {
	paths, _ := o.find("paths")
	for _, m := range d.ofNodes(paths, nodes) {
		for _, i := range d.named(m.node) {
			path := d.string(i.node)
			switch {
			case !slices.Contains(net.Interfaces[m.key], i.key):
				d.fault(i.node, "%s is not among the interfaces of %s", host.Printable(i.key), m.key)
			case path != "" && !word(path, 200, "_.:@+-"):
				d.fault(i.node, "%q is no path of udev, such as pci-0000:00:0d.2 (udevadm info /sys/class/net/%s tells ID_PATH)", path, i.key)
			case path != "":
				if net.Paths == nil {
					net.Paths = map[string]map[string]string{}
				}
				if net.Paths[m.key] == nil {
					net.Paths[m.key] = map[string]string{}
				}
				d.once(i.node, "path "+path+" of "+m.key)
				net.Paths[m.key][i.key] = path
			}
		}
	}
}

// mode checks what only a thunderbridge must have.
func (d *decoder) mode(n node, net *Network) {
	o, ok := n.value.(object)
	if !ok {
		return
	}
	if _, there := o.find("mode"); !there {
		d.fault(n, "has no mode: %s or %s", Bridge, Routed)
	}
	if _, there := o.find("bridge"); !there && net.Mode == Bridge {
		d.fault(n, "has mode bridge, and no name of the bridge")
	} else if bridge, _ := o.find("bridge"); there && net.Mode == Routed {
		d.fault(bridge, "mode routed has no bridge")
	}
}

func (d *decoder) ofNodes(n node, nodes []string) object {
	known := object{}
	for _, m := range d.named(n) {
		if !slices.Contains(nodes, m.key) {
			d.fault(m.node, "there is no such node; there are: %s", strings.Join(nodes, ", "))
			continue
		}
		known = append(known, m)
	}
	return known
}

func (d *decoder) prefix(n node) (netip.Prefix, bool) {
	s := d.string(n)
	if s == "" {
		return netip.Prefix{}, false
	}
	prefix, err := netip.ParsePrefix(s)
	if err != nil {
		d.fault(n, "%q is no address with its prefix length, such as 192.0.2.11/24 or 2001:db8::11/64", s)
		return netip.Prefix{}, false
	}
	d.once(n, "address "+prefix.Addr().Unmap().String())
	return prefix, true
}

// interfaceName is n as a name that the kernel takes.
func (d *decoder) interfaceName(n node) string {
	s := d.string(n)
	if s != "" && (!word(s, 15, "_.@+-") || s == "." || s == ".." || s[0] == '-') {
		d.fault(n, "%q is no name of an interface: at most 15 letters, digits and _ . @ + -", s)
	}
	return s
}

func (d *decoder) cables(o object, net *Network, nodes []string) {
	n, there := o.find("cables")
	if !there {
		return
	}
	all, ok := n.value.(list)
	if !ok {
		d.fault(n, `is %s; it must be a list of pairs ["node:interface", "node:interface"]`, what(n))
	}
	used := map[End]bool{}
	for _, pair := range all {
		ends, ok := pair.value.(list)
		if !ok || len(ends) != 2 {
			d.fault(pair, `must be a pair ["node:interface", "node:interface"]`)
			continue
		}
		var cable Cable
		for i, n := range ends {
			node, name, _ := strings.Cut(d.string(n), ":")
			end := End{node, name}
			switch {
			case !slices.Contains(nodes, node) || name == "":
				d.fault(n, `is no "node:interface" of %s`, strings.Join(nodes, ", "))
			case !slices.Contains(net.Interfaces[node], name):
				d.fault(n, "%s is not among the interfaces of %s", host.Printable(name), node)
			case used[end]:
				d.fault(n, "has a cable already")
			}
			used[end] = true
			cable[i] = end
		}
		if cable[0].Node == cable[1].Node && cable[0].Node != "" {
			d.fault(pair, "both ends are at %s", host.Printable(cable[0].Node))
		}
		net.Cables = append(net.Cables, cable)
	}
}
