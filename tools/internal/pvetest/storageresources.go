package pvetest

import (
	"crypto/sha1" // Proxmox's own
	"encoding/hex"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

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
