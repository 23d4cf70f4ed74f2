// Package clustercontext reads cluster-context/madagascar.json, the one source
// of truth for the nodes of a cluster, how ssh reaches them, its networks and
// its backup servers. Nothing else knows a hostname. The one thing to know: the
// file belongs to people. What this package does not know it tells, and keeps;
// an Update changes the bytes that it means and no others.
package clustercontext

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strings"

	"github.com/railiance/railiance/tools/internal/host"
)

// Error says what is wrong with a context, and where.
type Error struct {
	File string
	Line int    // from 1
	Path string // as clusters.madagascar.nodes.ebony.hosts[1]; empty: the whole document
	What string
}

func (e *Error) Error() string {
	if e.Path == "" {
		return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.What)
	}
	return fmt.Sprintf("%s:%d: %s: %s", e.File, e.Line, e.Path, e.What)
}

// Context is what the file says. Everything stands in the order of the file.
type Context struct {
	Clusters []Cluster
	Unknown  []string // paths of fields that this reader does not know: comments of people, or slips
}

// Cluster is some nodes and what joins them.
type Cluster struct {
	Name          string
	Nodes         []Node
	WAN           *Network // nil: not told
	Thunderbridge *Network // nil: not told
	BackupServers []Server
}

// Node is a machine of a cluster.
type Node struct {
	Name  string
	Hosts []Host // at least one; the first is tried first
}

// Host is a way for ssh to reach a node.
type Host struct {
	Name   string // key, where hosts is a map; else empty
	Target string // for host.Remote
}

// The modes of a thunderbridge.
const (
	Bridge = "bridge" // one switched network, with spanning tree
	Routed = "routed" // OpenFabric or the like: no bridge
)

// Network is one network of a cluster.
type Network struct {
	Mode       string // Bridge or Routed; empty for the wan
	Bridge     string // interface name; empty: none
	MTU        int    // bytes; 0: not told
	STP        *bool  // nil: not told
	Gateway    netip.Addr
	Addresses  map[string][]netip.Prefix    // by node
	Interfaces map[string][]string          // by node: the interfaces that belong to it
	Paths      map[string]map[string]string // by node and interface: its place on the bus, as udev's ID_PATH
	Cables     []Cable
}

// Cable joins two interfaces.
type Cable [2]End

// End is where a cable ends, written "node:interface".
type End struct{ Node, Interface string }

// Server is where backups go.
type Server struct {
	Name   string
	Host   string // for people and for ssh; may be empty
	Stores []Store
}

// The types of stores.
const (
	StoreDir    = "dir"
	StoreS3     = "s3"
	StoreWebDAV = "webdav"
)

// Store is one place of a server. It holds no secret: Credentials names the sops
// file that does.
type Store struct {
	Name        string
	Type        string // StoreDir, StoreS3 or StoreWebDAV
	Path        string // dir: absolute
	Marker      string // dir: a file that is there only when the right disk is mounted
	Endpoint    string // s3: https://host[:port]
	Bucket      string // s3
	Region      string // s3
	Prefix      string // s3: before every name
	PathStyle   bool   // s3: the bucket is in the path, not in the host
	LockDays    int    // s3: how long Object Lock keeps each artifact; 0: as the bucket has it
	URL         string // webdav: https://…
	CA          string // s3, webdav: file of the certificates to trust; empty: the system's
	Credentials string // s3, webdav: path of a sops file
}

// Cluster is the cluster called name.
func (c *Context) Cluster(name string) (Cluster, error) {
	var names []string
	for _, cluster := range c.Clusters {
		if cluster.Name == name {
			return cluster, nil
		}
		names = append(names, cluster.Name)
	}
	return Cluster{}, fmt.Errorf("no cluster %q; there are: %s", host.Printable(name), strings.Join(names, ", "))
}

// Node is the node called name.
func (c Cluster) Node(name string) (Node, error) {
	var names []string
	for _, n := range c.Nodes {
		if n.Name == name {
			return n, nil
		}
		names = append(names, n.Name)
	}
	return Node{}, fmt.Errorf("no node %q in %s; there are: %s", host.Printable(name), c.Name, strings.Join(names, ", "))
}

// Read reads the file at path. Its error joins an *Error for each thing that is
// wrong.
func Read(path string) (*Context, error) {
	text, err := load(path)
	if err != nil {
		return nil, err
	}
	return Parse(path, text)
}

// Parse is Read of a text; name stands for the file in errors.
func Parse(name string, text []byte) (*Context, error) {
	root, err := parse(name, text)
	if err != nil {
		return nil, err
	}
	return decode(name, text, root)
}

func load(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("cluster context: %w", err)
	}
	text, err := io.ReadAll(io.LimitReader(f, sizeMax+1))
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, fmt.Errorf("cluster context: %s: %w", path, err)
	}
	return text, nil
}
