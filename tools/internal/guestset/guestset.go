// Package guestset knows how the backups of a Proxmox cluster lie in a site:
// every guest, and every node, has a folder of its own with sets in it, and
// each set has a sealed account of what was saved beside the artifact itself.
//
// The one thing to know: a manifest names the folder that it belongs to, and
// Read refuses one that stands in another. Else the set of one guest, signature
// and all, could be passed off as that of another.
package guestset

import (
	"context"
	"fmt"
	"regexp"
	"strconv"

	"github.com/railiance/railiance/tools/internal/catalog"
	"github.com/railiance/railiance/tools/internal/sign"
	"github.com/railiance/railiance/tools/internal/store"
)

// The kinds of subjects, as the names of folders begin.
const (
	VM   = "vm"
	CT   = "ct"
	Node = "node"
)

// Subject is what a folder holds the backups of.
type Subject struct {
	Kind string // VM, CT or Node
	ID   int    // of a guest; 0 for a node
	Name string // of a node; empty for a guest
}

// Guest is the subject of the guest of that number.
func Guest(kind string, id int) Subject { return Subject{Kind: kind, ID: id} }

// String is the name of the folder, and of the asset in it: vm-100, ct-200,
// node-baobab.
func (s Subject) String() string {
	if s.Kind == Node {
		return Node + "-" + s.Name
	}
	return s.Kind + "-" + strconv.Itoa(s.ID)
}

// Proxmox takes 100 to 999999999 for guests, and host names for nodes.
var subject = regexp.MustCompile(`^(?:(vm|ct)-([1-9][0-9]{2,8})|node-([a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?))$`)

// Parse is the subject of the folder called name.
func Parse(name string) (Subject, error) {
	m := subject.FindStringSubmatch(name)
	switch {
	case m == nil:
		return Subject{}, fmt.Errorf("%q is not the folder of a guest or a node, as vm-100, ct-200 or node-baobab", name)
	case m[3] != "":
		return Subject{Kind: Node, Name: m[3]}, nil
	}
	id, err := strconv.Atoi(m[2])
	if err != nil {
		return Subject{}, err
	}
	return Guest(m[1], id), nil
}

// LayerName is what the manifests of s say in their field layer.
func (s Subject) LayerName(layer string) string { return layer + "-" + s.String() }

// Read returns the sets of s in its folder, the newest first, and what there is
// not to be trusted, as catalog.Read does.
func Read(ctx context.Context, folder store.Store, layer string, s Subject, trust *sign.Trust) ([]catalog.Set, []catalog.Problem, error) {
	all, problems, err := catalog.Read(ctx, folder, trust)
	if err != nil {
		return nil, nil, err
	}
	var sets []catalog.Set
	for _, set := range all {
		if want := s.LayerName(layer); set.Layer != want {
			problems = append(problems, catalog.Problem{Name: set.Name(), Err: fmt.Errorf("belongs to %q, not to %q: it was put here by somebody else", set.Layer, want)})
			continue
		}
		sets = append(sets, set)
	}
	return sets, problems, nil
}
