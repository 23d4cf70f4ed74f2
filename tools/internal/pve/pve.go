// Package pve asks a Proxmox VE cluster over ssh what guests it has, takes
// their dumps, and puts them back. It needs nothing on the nodes but what
// Proxmox brings.
//
// The one thing to know: each node is asked about itself alone. A node that is
// asked about another one goes there by an ssh of its own, without a limit of
// time, and vzdump of a guest that lives elsewhere says nothing and exits with
// 0. So there is a view of every node, the views may disagree, and all that is
// read of them is text of somebody else.
package pve

import (
	"errors"
	"fmt"
	"regexp"
	"sync"
	"time"

	"github.com/railiance/railiance/tools/internal/clustercontext"
	"github.com/railiance/railiance/tools/internal/host"
)

// Cluster is a Proxmox cluster as its nodes are reached. It is used by pointer.
type Cluster struct {
	Context     clustercontext.Cluster
	Connections *host.Connections
	Options     []string      // further ones of ssh, as host.Remote's
	Timeout     time.Duration // of one question; 0: thirty seconds

	silence time.Duration // that ends a dump; 0: the usual

	mu   sync.Mutex
	good map[string]way // by node: what was found to work
}

// The errors that callers act on.
var (
	ErrNoGuest = errors.New("there is no such guest")
	ErrTaken   = errors.New("the number is taken")
	ErrLocked  = errors.New("the guest is locked")
	// ErrNothing is what vzdump does for a guest that has moved away.
	ErrNothing = errors.New("vzdump ended well, and sent nothing")
	ErrNotRaw  = errors.New("the disk is not kept raw")
	// ErrNotApart is of a guest that must not run beside its original.
	ErrNotApart = errors.New("it cannot be kept apart from the world")
)

// The types of guests, in Proxmox's words.
const (
	VM = "qemu"
	CT = "lxc"
)

// What a guest does.
const (
	Running = "running"
	Stopped = "stopped"
	Paused  = "paused"
	Unknown = "unknown"
)

// Inventory is what a cluster had at one time.
type Inventory struct {
	Format    int       `json:"format"`
	Time      time.Time `json:"time"`
	Cluster   string    `json:"cluster"`
	Partial   bool      `json:"partial"` // something could not be asked: guests may be missing, or what they are
	Nodes     []Node    `json:"nodes"`   // in the order of the context; then those that it lacks
	Guests    []Guest   `json:"guests"`  // by number
	Conflicts []string  `json:"conflicts,omitempty"`
}

// Node is a member of the cluster.
type Node struct {
	Name      string `json:"name"`
	Target    string `json:"target,omitempty"` // how ssh reached it
	Reachable bool   `json:"reachable"`
	Why       string `json:"why,omitempty"`     // not reachable
	Version   string `json:"version,omitempty"` // of Proxmox VE
	Quorate   bool   `json:"quorate"`           // what it knows of the others is current

	// Err is Why as the error that it was, with its ways out.
	Err error `json:"-"`
}

// Guest is a virtual machine or a container. Its strings are printable and
// short, whatever the nodes said.
type Guest struct {
	ID       int      `json:"id"`
	Type     string   `json:"type"` // VM or CT
	Node     string   `json:"node"`
	Name     string   `json:"name,omitempty"`
	Status   string   `json:"status"`
	Lock     string   `json:"lock,omitempty"`
	Pool     string   `json:"pool,omitempty"`
	Tags     []string `json:"tags,omitempty"`
	Template bool     `json:"template,omitempty"`
	Identity string   `json:"identity,omitempty"` // for Another; empty: not known
	MaxDisk  int64    `json:"maxDisk,omitempty"`  // bytes, as the cluster counts them
	Disks    []Disk   `json:"disks,omitempty"`
	// Excludes is what its node leaves out of the files of containers.
	Excludes []Exclusion `json:"excludes,omitempty"`
	Unseen   bool        `json:"unseen,omitempty"` // its node could not be asked: the rest is hearsay
	// Leftover is what earlier deeds have left at the guest.
	Leftover []string `json:"leftover,omitempty"`
}

// Disk is a disk, a mount point, or another thing of a guest with data in it.
type Disk struct {
	Key      string `json:"key"`            // scsi0, rootfs, mp0
	Volume   string `json:"volume"`         // local-lvm:vm-100-disk-0, or a path
	Size     int64  `json:"size,omitempty"` // bytes; 0: not told
	InBackup bool   `json:"inBackup"`
	Why      string `json:"why,omitempty"` // not InBackup
}

// Short is how Guest is called in the names of folders: vm or ct.
func (g Guest) Short() string {
	if g.Type == CT {
		return "ct"
	}
	return "vm"
}

// LeftOut are the disks that a backup of g does not have, and what it does not
// have of their files.
func (g Guest) LeftOut() []Disk {
	var out []Disk
	for _, d := range g.Disks {
		if !d.InBackup {
			out = append(out, d)
		}
	}
	for _, e := range g.Excludes {
		out = append(out, e.disk())
	}
	return out
}

// Called is d with its volume, if it is one.
func (d Disk) Called() string {
	if d.Volume == "" {
		return d.Key
	}
	return fmt.Sprintf("%s (%s)", d.Key, d.Volume)
}

// What Proxmox takes for a number of a guest.
const (
	minID = 100
	maxID = 999_999_999
)

func validID(id int) bool { return minID <= id && id <= maxID }

// validNode says whether s can be a node's name: it becomes a part of paths.
func validNode(s string) bool {
	return len(s) <= 63 && regexp.MustCompile(`^[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?$`).MatchString(s)
}
