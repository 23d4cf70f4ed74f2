package pvetest

import (
	"crypto/sha1" // Proxmox's own
	"encoding/hex"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
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

// shuffled is a list of storage.cfg as Perl hands it out: in no order.
func shuffled(list string) string {
	parts := strings.Split(list, ",")
	rand.Shuffle(len(parts), func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
	return strings.Join(parts, ",")
}

func (c *call) storageResources(n member) ([]any, error) {
	all, err := c.storages()
	if err != nil {
		return nil, err
	}
	there := *c
	there.node = n.Name
	if n.Name != c.node {
		there.root = c.nodeDir(n.Name)
	}
	var entries []any
	for _, s := range all {
		if !s.on(n.Name) {
			continue
		}
		m := map[string]any{
			"content": shuffled(s.keys["content"]), "id": "storage/" + n.Name + "/" + s.name, "node": n.Name,
			"plugintype": s.kind, "shared": flag(s.shared()), "status": "unknown", "storage": s.name, "type": "storage",
		}
		if !n.Offline && !n.Blind {
			total, used, _, err := there.space(s)
			if err != nil {
				return nil, err
			}
			m["status"], m["disk"], m["maxdisk"] = "available", used, total
		}
		entries = append(entries, m)
	}
	return entries, nil
}

func flag(on bool) int {
	if on {
		return 1
	}
	return 0
}

// storageConfig is /storage: storage.cfg.
func (c *call) storageConfig() (any, error) {
	text, err := os.ReadFile(c.pve("storage.cfg"))
	if err != nil {
		return nil, err
	}
	sum := sha1.Sum(text)
	all, err := c.storages()
	if err != nil {
		return nil, err
	}
	entries := []any{}
	for _, s := range all {
		m := map[string]any{"digest": hex.EncodeToString(sum[:]), "storage": s.name, "type": s.kind}
		for key, value := range s.keys {
			m[key] = value
		}
		m["content"] = shuffled(s.keys["content"])
		if s.kind == "dir" {
			m["path"] = c.folder(s)
		}
		if s.shared() {
			m["shared"] = 1
		}
		entries = append(entries, m)
	}
	return entries, nil
}

// storagesOf is /nodes/<node>/storage.
func (c *call) storagesOf(o options) (any, error) {
	all, err := c.storages()
	if err != nil {
		return nil, err
	}
	entries := []any{}
	for _, s := range all {
		if !s.on(c.node) || o.has("content") && !s.holds(o.values["content"]) || o.has("storage") && s.name != o.values["storage"] {
			continue
		}
		total, used, avail, err := c.space(s)
		if err != nil {
			return nil, err
		}
		entries = append(entries, map[string]any{
			"active": 1, "avail": avail, "content": shuffled(s.keys["content"]), "enabled": 1, "shared": flag(s.shared()),
			"storage": s.name, "total": total, "type": s.kind, "used": used, "used_fraction": float64(used) / float64(total),
		})
	}
	return entries, nil
}

// content is /nodes/<node>/storage/<storage>/content. Archives are not listed.
func (c *call) content(name string, o options) (any, error) {
	s, err := c.storage(name)
	if err != nil {
		return nil, fail(255, "%v", err)
	}
	volumes, err := c.volumes(s)
	if err != nil {
		return nil, err
	}
	entries := []any{}
	for _, v := range volumes {
		if o.has("content") && o.values["content"] != v.content || o.has("vmid") && o.values["vmid"] != strconv.Itoa(v.guest) {
			continue
		}
		path, err := c.path(v.id)
		if err != nil {
			return nil, err
		}
		var st unix.Stat_t
		if err := unix.Stat(path, &st); err != nil {
			return nil, err
		}
		entries = append(entries, map[string]any{
			"content": v.content, "ctime": st.Ctim.Sec, "format": "raw", "parent": nil, "size": v.size,
			"used": st.Blocks * 512, "vmid": v.guest, "volid": v.id,
		})
	}
	return entries, nil
}
