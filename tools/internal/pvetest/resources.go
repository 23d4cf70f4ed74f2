package pvetest

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// resources is /cluster/resources: what pvestatd of each node has told, which
// is nothing for a node that is offline, or whose pvestatd is dead.
func (c *call) resources(only string) (any, error) {
	if only != "" && !slices.Contains([]string{"vm", "storage", "node", "sdn"}, only) {
		return nil, fail(255, "400 Parameter verification failed.\ntype: value '%s' does not have a value in the enumeration 'vm, storage, node, sdn'\npvesh get <api_path> [OPTIONS] [FORMAT_OPTIONS]", only)
	}
	f, err := c.file()
	if err != nil {
		return nil, err
	}
	pools, err := c.pools()
	if err != nil {
		return nil, err
	}
	all, sums, err := c.guestResources(f, pools)
	if err != nil || only == "vm" {
		return all, err
	}
	var rest []any
	for _, n := range f.Nodes {
		if n.Lone && n.Name != c.node {
			continue
		}
		if only == "" || only == "node" {
			rest = append(rest, c.nodeEntry(n))
		}
	}
	for _, n := range f.Nodes {
		if n.Lone && n.Name != c.node || only != "" && only != "storage" {
			continue
		}
		entries, err := c.storageResources(n)
		if err != nil {
			return nil, err
		}
		rest = append(rest, entries...)
	}
	if only == "" {
		for _, n := range f.Nodes {
			if n.Offline || n.Lone && n.Name != c.node {
				continue
			}
			rest = append(rest, map[string]any{
				"id": "network/" + n.Name + "/zone/localnetwork", "network": "localnetwork", "network-type": "zone",
				"node": n.Name, "status": "ok", "type": "network",
			})
		}
		return append(append(sums, all...), rest...), nil
	}
	if rest == nil {
		rest = []any{}
	}
	return rest, nil
}

// guestResources are the guests, ids sorted as text, and what the pools hold
// together.
func (c *call) guestResources(f clusterFile, pools map[string][]int) (all, sums []any, err error) {
	guests, err := c.guests()
	if err != nil {
		return nil, nil, err
	}
	slices.SortFunc(guests, func(a, b guest) int { return strings.Compare(strconv.Itoa(a.id), strconv.Itoa(b.id)) })
	poolOf, used := map[int]string{}, map[string]map[string]any{}
	for name, members := range pools {
		for _, id := range members {
			poolOf[id] = name
		}
	}
	all = []any{}
	for _, g := range guests {
		s, err := c.state(g)
		if err != nil {
			return nil, nil, err
		}
		n, _ := f.node(g.node)
		known := !n.Offline && !n.Blind
		all = append(all, s.resource(known, poolOf[g.id]))
		if pool := poolOf[g.id]; pool != "" && known && s.runs {
			if used[pool] == nil {
				used[pool] = map[string]any{"cpu": 0, "mem": 0, "maxcpu": 0, "maxmem": int64(0), "uptime": 0}
			}
			u := used[pool]
			u["maxcpu"] = u["maxcpu"].(int) + s.cores()
			u["maxmem"] = u["maxmem"].(int64) + s.memory()
			u["uptime"] = max(u["uptime"].(int), s.uptime())
		}
	}
	for _, name := range slices.Sorted(maps.Keys(pools)) {
		m := map[string]any{"id": "/pool/" + name, "pool": name, "type": "pool"}
		maps.Copy(m, used[name])
		sums = append(sums, m)
	}
	return all, sums, nil
}

// resource is a guest in /cluster/resources; without what pvestatd tells it has
// no name, and a template looks like any other.
func (s state) resource(known bool, pool string) map[string]any {
	m := map[string]any{
		"id": fmt.Sprintf("%s/%d", s.kind, s.id), "node": s.node, "status": "unknown", "type": s.kind, "vmid": s.id,
	}
	if pool != "" {
		m["pool"] = pool
	}
	for _, key := range []string{"tags", "lock"} {
		if value := s.keys[key]; value != "" {
			m[key] = value
		}
	}
	if !known {
		return m
	}
	maps.Copy(m, map[string]any{
		"cpu": 0, "disk": 0, "diskread": 0, "diskwrite": 0, "maxcpu": s.cores(), "maxdisk": s.disk(), "maxmem": s.memory(),
		"mem": 0, "memhost": 0, "name": s.name(), "netin": 0, "netout": 0, "status": s.qmpStatus(),
		"template": s.number("template", 0), "uptime": s.uptime(),
	})
	return m
}

func flag(on bool) int {
	if on {
		return 1
	}
	return 0
}
