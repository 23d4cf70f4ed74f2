// Package thunderbolt judges the network that carries a cluster's storage and
// migrations, from what was seen on its nodes. It asks nobody: a Plan of what
// should be and an Observation of what is go in, a Diagnosis comes out.
//
// The one thing to know: pings alone are blind, since a ring heals around its
// faults. So what the nodes say of their own state comes first, what follows
// from it is taken out of the pings, and only what then remains unexplained
// makes faults that nobody's state shows.
package thunderbolt

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/railiance/railiance/tools/internal/clustercontext"
)

// Plan is what the network should be.
type Plan struct {
	Routed bool   // no bridge: OpenFabric or the like
	Bridge string // empty if routed
	MTU    int    // of every interface and of the bridge; 0: not told
	NoSTP  bool   // the context wants spanning tree off
	Nodes  []PlanNode
	Cables []Cable // declared; empty: to be found
}

// PlanNode is what a node of the network should have.
type PlanNode struct {
	Name       string
	Hosts      []clustercontext.Host
	Addresses  []netip.Prefix
	Interfaces []string
}

// Cable joins two ends.
type Cable [2]End

// End is an interface of a node.
type End struct {
	Node      string `json:"node"`
	Interface string `json:"interface,omitempty"`
}

func (e End) String() string { return clean(e.Node) + ":" + clean(e.Interface) }

func (c Cable) String() string { return c[0].String() + " – " + c[1].String() }

// PlanOf is the plan that the cluster's context has.
func PlanOf(c clustercontext.Cluster) (Plan, error) {
	t := c.Thunderbridge
	if t == nil {
		return Plan{}, fmt.Errorf("cluster %s: the context tells of no network thunderbridge", c.Name)
	}
	p := Plan{Routed: t.Mode == clustercontext.Routed, Bridge: t.Bridge, MTU: t.MTU, NoSTP: t.STP != nil && !*t.STP}
	for _, n := range c.Nodes {
		// A node without any place in the network is a member of the cluster only.
		if len(t.Addresses[n.Name]) == 0 && len(t.Interfaces[n.Name]) == 0 {
			continue
		}
		p.Nodes = append(p.Nodes, PlanNode{n.Name, n.Hosts, t.Addresses[n.Name], t.Interfaces[n.Name]})
	}
	if len(p.Nodes) == 0 {
		return Plan{}, fmt.Errorf("cluster %s: no node has an address or an interface in the thunderbridge", c.Name)
	}
	for _, c := range t.Cables {
		p.Cables = append(p.Cables, Cable{{c[0].Node, c[0].Interface}, {c[1].Node, c[1].Interface}})
	}
	return p, nil
}

// Node is the plan of one node; nil: there is none.
func (p Plan) Node(name string) *PlanNode {
	i := slices.IndexFunc(p.Nodes, func(n PlanNode) bool { return n.Name == name })
	if i < 0 {
		return nil
	}
	return &p.Nodes[i]
}

// Full is the payload of a ping that fills the MTU to address; 0: the MTU is
// not told.
func (p Plan) Full(address netip.Addr) int {
	headers := 20 + 8
	if address.Is6() {
		headers = 40 + 8
	}
	return max(0, p.MTU-headers)
}
