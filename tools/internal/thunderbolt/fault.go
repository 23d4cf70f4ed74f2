package thunderbolt

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Kind is what is wrong. The words are part of the contract of --json and of
// the metrics.
type Kind string

// The kinds of faults. Some are at an interface, some at a node, some between
// the two ends of a cable.
const (
	NodeDown      Kind = "node-down"
	SSHDDown      Kind = "sshd-down"
	SSHSlow       Kind = "slow-ssh"
	HostKey       Kind = "host-key"         // another one than is known
	HostUnknown   Kind = "host-key-unknown" // none is known
	Unreached     Kind = "unreached"        // the node lives, and ssh fails in another way
	Unreadable    Kind = "unreadable"       // its answers make no sense
	Unpinged      Kind = "no-pings"         // it did not ping the others
	NoBridge      Kind = "no-bridge"
	BridgeDown    Kind = "bridge-down"
	STPOff        Kind = "stp-off"
	MTULow        Kind = "mtu-low" // of an interface; not necessarily low
	BridgeMTU     Kind = "bridge-mtu"
	Missing       Kind = "interface-missing"
	LinkDown      Kind = "link-down"
	NoCarrier     Kind = "no-carrier" // both ends are up
	Removed       Kind = "member-removed"
	NoAddress     Kind = "address-missing"
	Duplicate     Kind = "duplicate"
	Settling      Kind = "settling" // spanning tree has just changed
	Astray        Kind = "astray"   // bridges still send where the way led before
	Loop          Kind = "loop"
	TooManyBlock  Kind = "two-blocking"
	OneWay        Kind = "one-way"
	Unheard       Kind = "unheard" // an end of an unseen node: out of its bridge, or one-way
	Dead          Kind = "dead"    // the ends look well, and nothing passes
	Mute          Kind = "mute"    // the node does not answer in this network
	Loss          Kind = "loss"
	FullSize      Kind = "full-size" // small packets pass
	NoRoute       Kind = "no-route"
	CountedErrors Kind = "errors"
)

// Severity says how much hangs on it.
type Severity int

// The severities.
const (
	Warning  Severity = iota + 1 // the network carries all it should
	Error                        // part of what should be there is not
	Critical                     // nodes are apart, or a loop burns
)

func (s Severity) String() string {
	switch s {
	case Warning:
		return "warning"
	case Error:
		return "error"
	}
	return "critical"
}

// MarshalText makes the severity a word in JSON.
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Fault is one thing that is wrong, and what follows from it.
type Fault struct {
	Kind     Kind     `json:"kind"`
	Severity Severity `json:"severity"`
	End               // where; of a cable: the end that shows it, if one does
	Cable    *Cable   `json:"cable,omitempty"` // the cable concerned, where it is known
	What     string   `json:"what"`            // one sentence
	Evidence []string `json:"evidence,omitempty"`
	Mend     []string `json:"mend,omitempty"` // commands, each with the node that they are for

	moment bool // nothing but what passed while the pings went shows it
}

// ID is what stays the same of a fault while it lasts.
func (f Fault) ID() string {
	where := f.Node
	if f.Interface != "" {
		// A node may call an interface what it likes; this becomes a line of a file.
		where += ":" + strings.ReplaceAll(clean(f.Interface), "`", "'")
	}
	if f.Node == "" && f.Cable != nil {
		where = f.Cable[0].Node + ":" + f.Cable[0].Interface + "-" + f.Cable[1].Node + ":" + f.Cable[1].Interface
	}
	return string(f.Kind) + "@" + where
}

// Diagnosis is the smallest set of faults that explains what was seen. Of the
// lists only that of the notes may be null.
type Diagnosis struct {
	Faults []Fault     `json:"faults"`
	Notes  []string    `json:"notes,omitempty"` // what follows, and what could not be judged
	Ring   []CableSeen `json:"cables"`
	Nodes  []NodeSeen  `json:"nodes"`
	Pairs  []PairSeen  `json:"pairs"`
}

// CableSeen is how a cable does.
type CableSeen struct {
	Cable Cable  `json:"ends"`
	State string `json:"state"` // carries, blocks (as spanning tree wants), broken or unknown
}

// NodeSeen is how a node does.
type NodeSeen struct {
	Name   string  `json:"name"`
	State  string  `json:"state"` // seen, or why it was not
	Ports  []Shown `json:"ports,omitempty"`
	Bridge *Shown  `json:"bridge,omitempty"`
}

// NodeIsSeen is the state of a node that told its own.
const NodeIsSeen = "seen"

// Shown is an interface for the table.
type Shown struct {
	Name  string `json:"name"`
	State string `json:"state"` // of its port; down, missing or no member
	MTU   int    `json:"mtu,omitempty"`
}

// PairSeen is how the pings from one node to another went.
type PairSeen struct {
	From  string `json:"from"`
	To    string `json:"to"`
	Small *Ping  `json:"small,omitempty"`
	Full  *Ping  `json:"full,omitempty"`
}

// Healthy tells whether nothing is wrong.
func (d Diagnosis) Healthy() bool { return len(d.Faults) == 0 }

// Sure tells whether another look would say the same: what only pings show may
// be a moment in which spanning tree changed its mind.
func (d Diagnosis) Sure() bool {
	return !slices.ContainsFunc(d.Faults, func(f Fault) bool {
		return f.moment || slices.Contains([]Kind{Settling, Astray, Loop, TooManyBlock, Dead, Mute, Loss, FullSize, Unpinged, NoRoute, Unheard}, f.Kind)
	})
}

// Astray tells whether bridges still send where the way led before: they will
// not for long.
func (d Diagnosis) Astray() bool {
	return slices.ContainsFunc(d.Faults, func(f Fault) bool { return f.Kind == Astray })
}

// Worst is the highest severity; 0: healthy.
func (d Diagnosis) Worst() Severity {
	var worst Severity
	for _, f := range d.Faults {
		worst = max(worst, f.Severity)
	}
	return worst
}

func sortFaults(faults []Fault) {
	slices.SortStableFunc(faults, func(a, b Fault) int {
		return cmp.Or(-cmp.Compare(a.Severity, b.Severity), strings.Compare(a.ID(), b.ID()))
	})
}

// on is a command for a node, as a person may type it.
func on(node, format string, args ...any) string {
	return fmt.Sprintf("%s: ", clean(node)) + fmt.Sprintf(format, args...)
}
