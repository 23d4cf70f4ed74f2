package thunderbolt

import (
	"net/netip"
	"time"

	"github.com/railiance/railiance/tools/internal/host"
)

// Observation is what was seen, by node. A node that was not asked is missing.
type Observation map[string]*Seen

// Seen is what was seen on one node.
type Seen struct {
	SSH        SSH
	Unread     []string        // commands whose answer made no sense, with the reason
	Links      map[string]Link // by name; nil: not known
	Addresses  map[string][]netip.Prefix
	Routes     []Route
	Neighbours []Neighbour
	Learned    []Learned
	Pings      []Ping
	Passed     map[string]Counters // what passed each interface while the pings went; nil: not counted
	Clock      time.Duration       // how far the node's clock is ahead of ours
	Kernel     []string            // the last of what the kernel said of Thunderbolt
	Devices    []string            // what the Thunderbolt bus shows
	Fabric     []string            // lines of FRR's neighbours
}

// judged tells whether the state of the node is known.
func (s *Seen) judged() bool { return s != nil && s.SSH.Trouble == "" && s.Links != nil }

// Trouble is in what way ssh did not reach a node; empty: it did.
type Trouble string

// The troubles.
const (
	Refused    Trouble = "refused" // the machine is there, and nobody listens
	Silent     Trouble = "silent"  // no answer at all
	Slow       Trouble = "slow"    // it listens, and did not get to work in time
	KeyChanged Trouble = "key changed"
	KeyUnknown Trouble = "key unknown"
	Denied     Trouble = "denied"
	Failed     Trouble = "failed" // in another way
)

// SSH is how a node was reached.
type SSH struct {
	Trouble Trouble
	Said    string        // ssh's words
	Took    time.Duration // to be let in and told the state
}

// Link is an interface.
type Link struct {
	Name    string
	Index   int
	Peer    int // index of the other end in its namespace, for veth; 0: none
	Up      bool
	Carrier bool
	MTU     int
	Kind    string // bridge, veth, …; empty: hardware
	Bus     string // of the hardware, where iproute2 tells it
	Address string // MAC
	Master  string
	Tree    Tree // of a bridge
	Port    Port // of a member
	Passed  Counters
}

// Tree is the spanning tree as a bridge sees it.
type Tree struct {
	On   bool
	Self BridgeID
}

// Port is the spanning tree as a member of a bridge sees it.
type Port struct {
	State      string // forwarding, blocking, disabled, listening, learning
	Number     int    // with priority, as its neighbour sees it
	Cost       int
	Root       BridgeID
	Designated BridgeID // who leads on this cable: the bridge itself, or the neighbour
	From       int      // number of the port that leads
	RootCost   int      // of who leads
}

// Counters are packets.
type Counters struct{ Received, Sent, ReceiveErrors, SendErrors, ReceiveDrops, SendDrops uint64 }

// Since is what was counted after before. A counter that was reset counts anew.
func (c Counters) Since(before Counters) Counters {
	less := func(now, then uint64) uint64 {
		if now < then {
			return now
		}
		return now - then
	}
	return Counters{less(c.Received, before.Received), less(c.Sent, before.Sent), less(c.ReceiveErrors, before.ReceiveErrors),
		less(c.SendErrors, before.SendErrors), less(c.ReceiveDrops, before.ReceiveDrops), less(c.SendDrops, before.SendDrops)}
}

// Route is a way to addresses.
type Route struct {
	To     netip.Prefix
	Via    netip.Addr
	Device string
}

// Neighbour is what a node knows of an address in its networks.
type Neighbour struct {
	Address netip.Addr
	MAC     string // empty: it does not answer
	Device  string
}

// Learned is a MAC that a bridge has learned behind a member.
type Learned struct{ MAC, Interface string }

// Ping is some packets to another node.
type Ping struct {
	To       string        `json:"-"` // node
	Full     bool          `json:"-"` // fills the MTU, and may not be cut
	Sent     int           `json:"sent"`
	Received int           `json:"received"`
	Said     string        `json:"said,omitempty"` // why it could not send, if so
	Latency  time.Duration `json:"latency_ns,omitempty"`
}

// clean is text of a node as a person may see it.
func clean(s string) string {
	const enough = 200
	if r := []rune(s); len(r) > enough {
		s = string(r[:enough]) + "…"
	}
	return host.Printable(s)
}
