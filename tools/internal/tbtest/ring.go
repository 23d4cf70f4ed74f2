// Package tbtest builds a Thunderbolt ring on one machine: network namespaces
// for nodes, veth pairs for cables, real bridges with spanning tree, and a real
// sshd in each, reached over a management network of its own. Faults are
// planted into it, and healed.
//
// The one thing to know: a node is a PID namespace whose init waits for the end
// of a pipe that this process holds open. However this process ends, the kernel
// closes the pipe and takes the nodes away, with their networks and all that
// they wrote: a node's root is an overlay in its own memory. Needs root, Linux
// with overlayfs, iproute2, nftables, openssh and util-linux.
package tbtest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
)

// What every ring has.
const (
	Bridge = "vmbr1"
	MTU    = 65520
)

// Ring is some nodes in a circle. Node i's thunderbolt0 is joined to node i+1's
// thunderbolt1. The first node is the root of the spanning tree, the port that
// blocks is opposite to it: for three nodes, the thunderbolt1 of the third.
type Ring struct {
	Nodes  []*Node
	Cables []Cable

	dir    string // keys and settings of ssh; goes with us
	net    netip.Addr
	name   net.Listener // of the network, for as long as we live
	keeper *process

	mu      sync.Mutex
	planted []Fault

	disturbed bool // since it settled
}

// Node is one machine of a ring.
type Node struct {
	Name       string
	Address    netip.Addr // on the bridge, /24
	Management netip.Addr // where its sshd listens
	Interfaces []string

	ring    *Ring
	index   int
	gateway netip.Addr // our end of the management network
	outside string     // name of our end
	joined  bool
	init    *process
	sshd    *process
}

// Cable joins two interfaces.
type Cable [2]End

// End is an interface of a node.
type End struct{ Node, Interface string }

func (e End) String() string { return e.Node + ":" + e.Interface }

// names are trees and plants of Madagascar.
func names() []string {
	return []string{"baobab", "ebony", "tapia", "ravinala", "raffia", "vanilla", "moringa", "pachypodium"}
}

// Start builds a ring of n nodes, from 3 to 8, and returns when its spanning
// tree has settled. Close must be called.
func Start(ctx context.Context, n int) (*Ring, error) {
	if n < 3 || n > len(names()) {
		return nil, fmt.Errorf("thunderbolt ring: %d nodes; it can have 3 to %d", n, len(names()))
	}
	if err := missing(); err != nil {
		return nil, err
	}
	r := &Ring{}
	if err := r.build(ctx, n); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	if err := r.Settle(ctx); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}

// programs are what a ring is made with.
func programs() []string {
	return []string{"ip", "bridge", "tc", "nft", "nsenter", "ssh", "sshd", "ssh-keygen", "ping", "mount", "pivot_root", "pkill"}
}

// missing says why this machine cannot have a ring.
func missing() error {
	if os.Geteuid() != 0 {
		return errors.New("thunderbolt ring: needs root")
	}
	for _, program := range programs() {
		if _, err := exec.LookPath(program); err != nil {
			return fmt.Errorf("thunderbolt ring: needs %s", program)
		}
	}
	return nil
}

func (r *Ring) build(ctx context.Context, n int) error {
	var err error
	if r.dir, err = os.MkdirTemp("", "railiance-ring-"); err != nil {
		return fmt.Errorf("thunderbolt ring: %w", err)
	}
	if r.keeper, err = keep(r.dir); err != nil {
		return errors.Join(err, os.RemoveAll(r.dir))
	}
	if err := r.freeNetwork(ctx); err != nil {
		return err
	}
	for i := range n {
		r.Nodes = append(r.Nodes, r.node(i))
	}
	for i, node := range r.Nodes {
		next := r.Nodes[(i+1)%n]
		r.Cables = append(r.Cables, Cable{{node.Name, "thunderbolt0"}, {next.Name, "thunderbolt1"}})
	}
	if err := r.all(func(n *Node) error { return n.boot(ctx) }); err != nil {
		return err
	}
	for _, cable := range r.Cables {
		if err := r.Plug(ctx, cable); err != nil {
			return err
		}
	}
	if err := r.all(func(n *Node) error { return errors.Join(n.management(ctx), n.network(ctx), n.keys(ctx)) }); err != nil {
		return err
	}
	if err := r.sshConfig(ctx); err != nil {
		return err
	}
	return r.all(func(n *Node) error { return n.startSSHD(ctx, "") })
}

// all does something on all nodes at once.
func (r *Ring) all(do func(*Node) error) error {
	errs := make([]error, len(r.Nodes))
	var wg sync.WaitGroup
	for i, n := range r.Nodes {
		wg.Go(func() {
			if err := do(n); err != nil {
				errs[i] = fmt.Errorf("%s: %w", n.Name, err)
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// Node is the node called name. There must be one.
func (r *Ring) Node(name string) *Node {
	i := slices.IndexFunc(r.Nodes, func(n *Node) bool { return n.Name == name })
	if i < 0 {
		panic("thunderbolt ring: no node " + name)
	}
	return r.Nodes[i]
}

// Other is the other end of the cable at end.
func (r *Ring) Other(end End) End {
	for _, c := range r.Cables {
		for i := range c {
			if c[i] == end {
				return c[1-i]
			}
		}
	}
	panic("thunderbolt ring: no cable at " + end.String())
}

// Dir is a folder that goes with the ring.
func (r *Ring) Dir() string { return r.dir }

// Close takes the ring away.
func (r *Ring) Close() error {
	var errs []error
	for _, n := range r.Nodes {
		if n.joined {
			// The kernel would do it too, a little later.
			_, err := output(context.Background(), "", "ip", "link", "delete", n.outside)
			errs = append(errs, err)
		}
		errs = append(errs, n.init.end())
		if n.sshd != nil {
			n.sshd.wait()
		}
	}
	errs = append(errs, r.keeper.end())
	if r.name != nil {
		errs = append(errs, r.name.Close())
	}
	return errors.Join(errs...)
}

// freeNetwork takes a /24 that the machine knows no route to, out of the block
// for tests of networks (RFC 2544). A name that the kernel gives back when we
// are gone keeps other rings away from it.
func (r *Ring) freeNetwork(ctx context.Context) error {
	routes, err := output(ctx, "", "ip", "route")
	if err != nil {
		return err
	}
	for k := range 512 {
		base := netip.AddrFrom4([4]byte{198, byte(18 + k/256), byte(k % 256), 0})
		if strings.Contains(routes, fmt.Sprintf("198.%d.%d.", 18+k/256, k%256)) {
			continue
		}
		name, err := net.Listen("unix", "@railiance-ring-"+base.String())
		if err != nil {
			continue
		}
		r.net, r.name = base, name
		return nil
	}
	return errors.New("thunderbolt ring: 198.18.0.0/15 is full")
}

func (r *Ring) path(elements ...string) string {
	return filepath.Join(append([]string{r.dir}, elements...)...)
}
