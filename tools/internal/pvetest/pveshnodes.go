package pvetest

import (
	"fmt"
	"maps"
	"strings"
)

func (c *call) nodes() (any, error) {
	f, err := c.file()
	if err != nil {
		return nil, err
	}
	all := []any{}
	for _, n := range f.Nodes {
		if f.Name == "" && n.Name != c.node {
			continue
		}
		m := c.nodeEntry(n)
		m["ssl_fingerprint"] = nil
		if n.Lone {
			fmt.Fprintf(c.err, "'/etc/pve/nodes/%s/pve-ssl.pem' does not exist!\n", n.Name)
		} else {
			m["ssl_fingerprint"] = strings.TrimSuffix(strings.Repeat("AB:", 32), ":")
		}
		all = append(all, m)
	}
	return all, nil
}

// nodeEntry is a node in /nodes and in /cluster/resources.
func (c *call) nodeEntry(n member) map[string]any {
	m := map[string]any{"id": "node/" + n.Name, "node": n.Name, "status": "unknown", "type": "node"}
	switch {
	case n.Lone || n.Blind:
	case n.Offline:
		m["status"], m["level"] = "offline", ""
	default:
		maps.Copy(m, map[string]any{
			"status": "online", "level": "", "cpu": 0.01, "maxcpu": hostCores, "mem": 1 << 30, "maxmem": 16 << 30,
			"disk": 4 << 30, "maxdisk": 64 << 30, "uptime": 3600,
		})
	}
	return m
}

func (c *call) clusterStatus() (any, error) {
	f, err := c.file()
	if err != nil {
		return nil, err
	}
	all := []any{}
	if f.Name != "" {
		all = append(all, map[string]any{"id": "cluster", "name": f.Name, "nodes": len(f.Nodes), "quorate": 1, "type": "cluster", "version": 3})
	}
	for i, n := range f.Nodes {
		if f.Name == "" && n.Name != c.node {
			continue
		}
		m := map[string]any{"id": "node/" + n.Name, "ip": n.Address, "level": "", "local": 0, "name": n.Name, "nodeid": i + 1, "online": 1, "type": "node"}
		if n.Name == c.node {
			m["local"] = 1
		}
		if n.Offline && n.Name != c.node {
			m["online"] = 0
		}
		if f.Name == "" {
			m["nodeid"] = 0
		}
		all = append(all, m)
	}
	return all, nil
}
