package pvetest

import (
	"bytes"
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// pvesh answers `pvesh get PATH --output-format json` and no other verb.
func pvesh(c *call, args []string) error {
	s := syntax{
		usage: "pvesh get <api_path> [OPTIONS] [FORMAT_OPTIONS]", blank: true,
		values: []string{"output-format", "type", "content", "storage", "vmid"}, flags: []string{"full", "enabled", "noborder", "current"},
	}
	words, o, err := s.parse(args)
	if err != nil {
		return err
	}
	if len(words) != 2 || words[0] != "get" {
		return fail(255, "ERROR: unknown command 'pvesh %s'", strings.Join(words, " "))
	}
	if format := o.values["output-format"]; format != "json" {
		return fail(255, "pvetest: only --output-format json is faked")
	}
	path := strings.Trim(words[1], "/")
	if err := c.interfere("pvesh", c.node, path); err != nil {
		return err
	}
	answer, err := c.get(path, o)
	if err != nil {
		return err
	}
	return c.print(answer)
}

func (c *call) print(answer any) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(answer); err != nil {
		return err
	}
	_, err := c.out.Write(b.Bytes())
	return err
}

func (c *call) get(path string, o options) (any, error) {
	known := map[string][]string{"cluster/resources": {"type"}}
	parts := strings.Split(path, "/")
	if len(parts) == 3 && parts[0] == "nodes" {
		known[path] = map[string][]string{"qemu": {"full"}, "storage": {"content", "storage", "enabled"}}[parts[2]]
	}
	if len(parts) == 5 && parts[4] == "config" {
		known[path] = []string{"current"}
	}
	if len(parts) == 5 && parts[4] == "content" {
		known[path] = []string{"content", "vmid"}
	}
	for _, name := range o.names {
		if name != "output-format" && !slices.Contains(known[path], name) {
			return nil, fail(255, "400 Parameter verification failed.\n%s: property is not defined in schema and the schema does not allow additional properties\npvesh get <api_path> [OPTIONS] [FORMAT_OPTIONS]", name)
		}
	}
	switch path {
	case "version":
		return map[string]any{"release": "9.2", "repoid": "0123456789abcdef", "version": "9.2.11"}, nil
	case "cluster/resources":
		return c.resources(o.values["type"])
	case "cluster/status":
		return c.clusterStatus()
	case "cluster/nextid":
		for id := 100; ; id++ {
			if _, taken, err := c.find(id); err != nil || !taken {
				return strconv.Itoa(id), err
			}
		}
	case "cluster/ha/resources", "cluster/backup":
		return []any{}, nil
	case "pools":
		pools, err := c.pools()
		all := []any{}
		for _, name := range slices.Sorted(maps.Keys(pools)) {
			all = append(all, map[string]any{"poolid": name})
		}
		return all, err
	case "storage":
		return c.storageConfig()
	case "nodes":
		return c.nodes()
	}
	if len(parts) >= 3 && parts[0] == "nodes" {
		return c.ofNode(parts[1], parts[2:], o)
	}
	return nil, fail(255, "No 'get' handler defined for '/%s'", path)
}

// ofNode answers below /nodes/<name>. What another node knows is asked of it:
// one that is offline is waited for, as by the real one.
func (c *call) ofNode(name string, rest []string, o options) (any, error) {
	f, err := c.file()
	if err != nil {
		return nil, err
	}
	node, known := f.node(name)
	if !known {
		return nil, fail(255, "hostname lookup '%s' failed - failed to get address info for: %s: Name or service not known", name, name)
	}
	there := *c
	if name != c.node {
		there.node, there.root = name, c.nodeDir(name)
		if node.Offline {
			if err := c.wait(600); err != nil {
				return nil, fail(255, "%v", err)
			}
			return nil, fail(255, "ssh: connect to host %s port 22: Connection timed out", node.Address)
		}
	}
	path := strings.Join(rest, "/")
	switch {
	case path == typeVM || path == typeCT:
		return there.guestsOf(path, o.on("full"))
	case path == "storage":
		return there.storagesOf(o)
	case path == "version":
		return there.get("version", options{})
	case path == "status":
		return map[string]any{"cpuinfo": map[string]any{"cpus": hostCores}, "pveversion": "pve-manager/9.2.11/0123456789abcdef", "uptime": 3600,
			"memory": map[string]any{"total": 16 << 30, "used": 8 << 30, "free": 8 << 30}}, nil
	case len(rest) == 3 && rest[0] == "storage" && rest[2] == "content":
		return there.content(rest[1], o)
	}
	m := regexp.MustCompile(`^(qemu|lxc)/([0-9]+)/(config|status/current)$`).FindStringSubmatch(path)
	if m == nil {
		return nil, fail(255, "No 'get' handler defined for '/nodes/%s/%s'", name, path)
	}
	id, _ := strconv.Atoi(m[2])
	s, err := there.local(id, m[1])
	if err != nil {
		return nil, err
	}
	if m[3] == "config" {
		return s.json(s.kind == typeCT), nil
	}
	current := s.full()
	current["ha"] = map[string]any{"managed": 0}
	return current, nil
}

// local is a guest of that kind on this node.
func (c *call) local(id int, kind string) (state, error) {
	g := guest{id, kind, c.node}
	s, err := c.state(g)
	if err != nil {
		return s, fail(2, "Configuration file '%s' does not exist", g.conf())
	}
	return s, nil
}

func (c *call) guestsOf(kind string, full bool) (any, error) {
	guests, err := c.guests()
	if err != nil {
		return nil, err
	}
	all := []any{}
	for _, g := range guests {
		if g.kind != kind || g.node != c.node {
			continue
		}
		s, err := c.state(g)
		if err != nil {
			return nil, err
		}
		if full {
			all = append(all, s.full())
		} else {
			all = append(all, s.entry())
		}
	}
	return all, nil
}
