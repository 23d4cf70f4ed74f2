package kubeconfig

import (
	"bytes"
	"errors"
	"fmt"
	"net/url"

	"gopkg.in/yaml.v3"
)

// Retarget gives the kubeconfig b with the address of its current cluster
// replaced by server, an https URL; all else is kept, fields that we do not
// know and comments included. It serves to call a drill's server, or one that
// moved, with an old kubeconfig.
func Retarget(b []byte, server string) ([]byte, error) {
	out, err := retarget(b, server)
	if err != nil {
		return nil, fmt.Errorf("kubeconfig: retarget: %w", err)
	}
	return out, nil
}

func retarget(b []byte, server string) ([]byte, error) {
	if u, err := url.Parse(server); err != nil || u.Scheme != "https" || u.Hostname() == "" || u.User != nil {
		return nil, errors.New("the new server is not an https address")
	}
	c, err := parse(b)
	if err != nil {
		return nil, err
	}
	current := c.current()
	if current == nil || c.clusters[current.Context.Cluster] == nil {
		return nil, errors.New("no context is current, so it is open which cluster is meant")
	}
	doc, err := document(b)
	if err != nil {
		return nil, err
	}
	cl := clusterNode(doc, current.Context.Cluster)
	if cl == nil {
		return nil, errors.New("the current cluster is not spelled out in the file")
	}
	set(cl, "server", server)
	return encode(doc, server)
}

func encode(doc *yaml.Node, server string) ([]byte, error) {
	var out bytes.Buffer
	enc := yaml.NewEncoder(&out)
	enc.SetIndent(2)
	if err := enc.Encode(doc); err != nil {
		return nil, errors.New("it cannot be written again")
	}
	if err := enc.Close(); err != nil {
		return nil, errors.New("it cannot be written again")
	}
	// The proof of the pudding: what is handed out has been read once.
	c, err := parse(out.Bytes())
	if err != nil {
		return nil, fmt.Errorf("the result: %w", err)
	}
	if cur := c.current(); cur == nil || c.clusters[cur.Context.Cluster] == nil || c.clusters[cur.Context.Cluster].Server != server {
		return nil, errors.New("the result does not name the new server")
	}
	return out.Bytes(), nil
}

// clusterNode finds the map under clusters[name].cluster.
func clusterNode(doc *yaml.Node, name string) *yaml.Node {
	list := get(doc, "clusters")
	if list == nil {
		return nil
	}
	for _, e := range list.Content {
		e = target(e)
		if n := get(e, "name"); n != nil && n.Value == name {
			return get(e, "cluster")
		}
	}
	return nil
}

func target(n *yaml.Node) *yaml.Node {
	if n != nil && n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

func get(n *yaml.Node, key string) *yaml.Node {
	if n == nil || n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return target(n.Content[i+1])
		}
	}
	return nil
}

func set(n *yaml.Node, key, value string) {
	fresh := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: value}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			fresh.Style, fresh.LineComment = n.Content[i+1].Style, n.Content[i+1].LineComment
			n.Content[i+1] = fresh
			return
		}
	}
	n.Content = append(n.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: key}, fresh)
}
