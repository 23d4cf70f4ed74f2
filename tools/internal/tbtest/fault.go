package tbtest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Kind is what can be wrong with a ring.
type Kind string

// The kinds of faults. Those up to Loss are at an interface, the others at a
// node.
const (
	MemberRemoved Kind = "member-removed" // the interface has left the bridge
	MTULow        Kind = "mtu-low"        // fell back to 1500, and the bridge with it
	MTUPinned     Kind = "mtu-pinned"     // fell back to 1500, and the bridge still says 65520
	LinkDown      Kind = "link-down"
	OneWay        Kind = "one-way" // nothing that the interface sends arrives
	Loss          Kind = "loss"    // two of five packets that arrive at the interface are lost
	NoBridge      Kind = "no-bridge"
	STPOff        Kind = "stp-off"
	NodeDown      Kind = "node-down"
	SSHDDown      Kind = "sshd-down"
	HostKey       Kind = "host-key" // sshd has another one than is known
	SlowSSH       Kind = "slow-ssh" // each command waits for 20 s
	Duplicate     Kind = "duplicate"
)

// Kinds are all kinds of faults.
func Kinds() []Kind {
	return []Kind{MemberRemoved, MTULow, MTUPinned, LinkDown, OneWay, Loss, NoBridge, STPOff, NodeDown, SSHDDown, HostKey, SlowSSH, Duplicate}
}

// OfInterface tells whether faults of the kind are at an interface.
func (k Kind) OfInterface() bool {
	return slices.Contains([]Kind{MemberRemoved, MTULow, MTUPinned, LinkDown, OneWay, Loss}, k)
}

// Fault is one thing that is wrong.
type Fault struct {
	Kind Kind
	End  // Interface is empty where the kind is of a node
}

func (f Fault) String() string { return string(f.Kind) + "@" + strings.TrimSuffix(f.End.String(), ":") }

// SlowBy is how long a slow ssh takes for each command.
const SlowBy = 20 * time.Second

const otherKey = "another host key"

// Plant makes f true. Settle afterwards: spanning tree needs seconds.
func (r *Ring) Plant(ctx context.Context, f Fault) error {
	if !slices.ContainsFunc(r.Nodes, func(n *Node) bool { return n.Name == f.Node }) {
		return fmt.Errorf("thunderbolt ring: no node %s", f.Node)
	}
	n := r.Node(f.Node)
	if f.Kind.OfInterface() != slices.Contains(n.Interfaces, f.Interface) {
		return fmt.Errorf("thunderbolt ring: %s: has no place there", f)
	}
	r.mu.Lock()
	r.planted = append(r.planted, f)
	r.disturbed = true
	r.mu.Unlock()
	if err := n.plant(ctx, f); err != nil {
		return fmt.Errorf("thunderbolt ring: %s: %w", f, err)
	}
	return nil
}

func (n *Node) plant(ctx context.Context, f Fault) error {
	ip := func(lines ...string) error {
		_, err := n.Run(ctx, strings.Join(lines, "\n")+"\n", "ip", "-force", "-batch", "-")
		return err
	}
	switch f.Kind {
	case MemberRemoved:
		return ip("link set " + f.Interface + " nomaster")
	case MTULow:
		return ip("link set " + f.Interface + " mtu 1500")
	case MTUPinned:
		// Only a change pins it.
		return ip(fmt.Sprintf("link set %s mtu %d", Bridge, MTU-1), fmt.Sprintf("link set %s mtu %d", Bridge, MTU), "link set "+f.Interface+" mtu 1500")
	case LinkDown:
		return ip("link set " + f.Interface + " down")
	case OneWay:
		_, err := n.Run(ctx, "", "tc", "qdisc", "replace", "dev", f.Interface, "root", "blackhole")
		return err
	case Loss:
		return n.filter(ctx, f.Interface)
	case NoBridge:
		return ip("link delete " + Bridge)
	case STPOff:
		return ip("link set " + Bridge + " type bridge stp_state 0")
	case NodeDown:
		return errors.Join(ip("link set thunderbolt0 down", "link set thunderbolt1 down", "link set mgmt0 down"), n.stopSSHD(ctx))
	case SSHDDown:
		return n.stopSSHD(ctx)
	case HostKey:
		return errors.Join(n.stopSSHD(ctx), n.startSSHD(ctx, otherKey))
	case SlowSSH:
		return errors.Join(n.stopSSHD(ctx), n.startSSHD(ctx, fmt.Sprintf(`ForceCommand sleep %d; exec /bin/sh -c "$SSH_ORIGINAL_COMMAND"`, SlowBy/time.Second)))
	case Duplicate:
		next := n.ring.Nodes[(n.index+1)%len(n.ring.Nodes)]
		return ip(fmt.Sprintf("addr add %s/24 dev %s", next.Address, Bridge))
	}
	return errors.New("no such kind")
}

// Heal undoes all that Plant did: the nodes concerned get a new bridge and a
// new sshd. Settle afterwards.
func (r *Ring) Heal(ctx context.Context) error {
	r.mu.Lock()
	planted := r.planted
	r.planted = nil
	r.disturbed = r.disturbed || len(planted) > 0
	r.mu.Unlock()
	sick := map[string]bool{}
	for _, f := range planted {
		sick[f.Node] = true
	}
	if err := r.all(func(n *Node) error {
		if !sick[n.Name] {
			return nil
		}
		return n.heal(ctx)
	}); err != nil {
		return err
	}
	// A bridge that lost a member had another MAC, which the others still know.
	return r.all(func(n *Node) error {
		_, err := n.Run(ctx, "", "ip", "neigh", "flush", "dev", Bridge)
		return err
	})
}

func (n *Node) heal(ctx context.Context) error {
	if _, err := n.Run(ctx, "", "sh", "-c", fmt.Sprintf(`ip link delete %s 2>/dev/null
for i in %s; do tc qdisc delete dev $i root 2>/dev/null; done
ip link set mgmt0 up`, Bridge, strings.Join(n.Interfaces, " "))); err != nil {
		return err
	}
	if err := n.network(ctx); err != nil {
		return err
	}
	if err := n.stopSSHD(ctx); err != nil {
		return err
	}
	return n.startSSHD(ctx, "")
}
