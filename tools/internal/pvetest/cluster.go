package pvetest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// cluster is the folder of a cluster.
type cluster struct{ dir string }

// member is a node of cluster.json.
type member struct {
	Name    string
	Address string
	Offline bool // its programs cannot be reached by those of the others
	// Blind: its pvestatd is dead, and nobody knows how its guests are.
	Blind bool
	// Lone is the node of the recordings: no cluster, no statistics of its own.
	Lone bool
}

type clusterFile struct {
	Name  string // empty: a node without a cluster
	Nodes []member
}

func (c cluster) nodeDir(node string) string { return filepath.Join(c.dir, "nodes", node) }
func (c cluster) pve(path string) string     { return filepath.Join(c.dir, "pve", path) }

func (c cluster) file() (clusterFile, error) {
	var f clusterFile
	b, err := os.ReadFile(filepath.Join(c.dir, "cluster.json"))
	if err != nil {
		return f, err
	}
	return f, json.Unmarshal(b, &f)
}

func (c cluster) setFile(f clusterFile) error {
	b, err := json.MarshalIndent(f, "", "  ")
	if err != nil {
		return err
	}
	return write(filepath.Join(c.dir, "cluster.json"), b)
}

func (f clusterFile) node(name string) (member, bool) {
	i := slices.IndexFunc(f.Nodes, func(m member) bool { return m.Name == name })
	if i < 0 {
		return member{}, false
	}
	return f.Nodes[i], true
}

// write replaces a file at once, as pmxcfs does.
func write(path string, b []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	draft := fmt.Sprintf("%s.%d", path, os.Getpid())
	if err := os.WriteFile(draft, b, 0o640); err != nil {
		return err
	}
	return os.Rename(draft, path)
}

// The types of guests, as Proxmox names them.
const (
	typeVM = "qemu"
	typeCT = "lxc"
)

// guest is a guest, and where it lives.
type guest struct {
	id   int
	kind string // typeVM or typeCT
	node string
}

func confDir(kind string) string {
	if kind == typeVM {
		return "qemu-server"
	}
	return kind
}

// conf is where a guest's configuration lies below /etc/pve.
func (g guest) conf() string {
	return fmt.Sprintf("nodes/%s/%s/%d.conf", g.node, confDir(g.kind), g.id)
}

// word is what Proxmox calls the guest in messages.
func (g guest) word() string {
	if g.kind == typeVM {
		return "VM"
	}
	return "CT"
}

// guests are all guests of the cluster, in no order, as pmxcfs has none.
func (c cluster) guests() ([]guest, error) {
	var all []guest
	for _, kind := range []string{typeVM, typeCT} {
		paths, err := filepath.Glob(c.pve("nodes/*/" + confDir(kind) + "/*.conf"))
		if err != nil {
			return nil, err
		}
		for _, path := range paths {
			id, err := strconv.Atoi(strings.TrimSuffix(filepath.Base(path), ".conf"))
			if err != nil {
				continue
			}
			all = append(all, guest{id, kind, filepath.Base(filepath.Dir(filepath.Dir(path)))})
		}
	}
	rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all, nil
}

// find is the guest of that id, wherever it lives.
func (c cluster) find(id int) (guest, bool, error) {
	all, err := c.guests()
	if err != nil {
		return guest{}, false, err
	}
	i := slices.IndexFunc(all, func(g guest) bool { return g.id == id })
	if i < 0 {
		return guest{}, false, nil
	}
	return all[i], true, nil
}

func (c cluster) config(g guest) (config, error) {
	b, err := os.ReadFile(c.pve(g.conf()))
	if err != nil {
		return config{}, err
	}
	return parseConfig(b), nil
}

func (c cluster) setConfig(g guest, conf config) error {
	_, err := os.Stat(c.pve(g.conf()))
	if err := write(c.pve(g.conf()), conf.text()); err != nil {
		return err
	}
	if errors.Is(err, fs.ErrNotExist) {
		return c.listGuests()
	}
	return nil
}

func (c cluster) removeConfig(g guest) error {
	if err := os.Remove(c.pve(g.conf())); err != nil {
		return err
	}
	return c.listGuests()
}

// listGuests writes .vmlist, as pmxcfs shows it: with a blank line before the
// last brace.
func (c cluster) listGuests() error {
	all, err := c.guests()
	if err != nil {
		return err
	}
	var entries []string
	for i, g := range all {
		entries = append(entries, fmt.Sprintf(`"%d": { "node": "%s", "type": "%s", "version": %d }`, g.id, g.node, g.kind, i+1))
	}
	return write(c.pve(".vmlist"), []byte("{\n\"version\": 1,\n\"ids\": {\n"+strings.Join(entries, ",\n")+"}\n\n}\n"))
}

// pools are the members of each pool, by name, from user.cfg.
func (c cluster) pools() (map[string][]int, error) {
	b, err := os.ReadFile(c.pve("user.cfg"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	pools := map[string][]int{}
	for line := range strings.Lines(string(b)) {
		f := strings.Split(strings.TrimSpace(line), ":")
		if f[0] != "pool" || len(f) < 4 {
			continue
		}
		pools[f[1]] = nil
		for _, s := range strings.Split(f[3], ",") {
			if id, err := strconv.Atoi(s); err == nil {
				pools[f[1]] = append(pools[f[1]], id)
			}
		}
	}
	return pools, nil
}
