package pvecli

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/railiance/railiance/tools/internal/guestset"
	"github.com/railiance/railiance/tools/internal/nodebackup"
	"github.com/railiance/railiance/tools/internal/plugin"
	"github.com/railiance/railiance/tools/internal/pve"
	"github.com/railiance/railiance/tools/internal/tell"
)

// hosts are the nodes to back up: those that are named, or all of the context.
func (e *estate) hosts(c choice, names []string) ([]string, error) {
	known := e.nodeNames()
	for _, name := range names {
		if !slices.Contains(known, name) {
			return nil, &plugin.Usage{Err: tell.Hint(fmt.Errorf("the cluster has no node %s", name), "it has %v", known)}
		}
	}
	if c.all || c.hosts {
		return known, nil
	}
	return names, nil
}

// nodeNames are those of the cluster context.
func (e *estate) nodeNames() []string {
	var names []string
	for _, n := range e.cluster.Nodes {
		names = append(names, n.Name)
	}
	return names
}

// showGuide prints how a node is built anew from its backup.
func (e *estate) showGuide(arg string) error {
	s, err := guestset.Parse(arg)
	if err != nil || s.Kind != guestset.Node {
		return &plugin.Usage{Err: tell.Hint(fmt.Errorf("there is no guide for %s", arg), "nodes have one, as node-baobab; restore puts a guest back")}
	}
	line := struct {
		Format int    `json:"format"`
		Folder string `json:"folder"`
		Guide  string `json:"guide"`
	}{1, s.String(), nodebackup.Guide(s.Name)}
	return e.Print(line, func(w io.Writer) { fmt.Fprint(w, line.Guide) })
}

// node says what would be done with a node itself.
func (p *planning) node(n pve.Node) error {
	if n.Err != nil || !slices.Contains(p.nodeNames(), n.Name) {
		return nil // that was told
	}
	s, r := nodebackup.SubjectOf(n.Name), p.layer.Guests.Node()
	line := planned{About: s.String(), Would: fmt.Sprintf("back up %s to %s, window %s", s, strings.Join(r.Sites, " and "), r.Window)}
	if r.Skip {
		line.Would = "leave out " + s.String() + ": the policy says so"
	}
	return p.say(line, nil)
}
