package tbtest

import (
	"encoding/json"
	"fmt"
	"os"
)

// Context is the cluster context of the ring, as madagascar.json has it.
// Without cables it leaves them to be found.
func (r *Ring) Context(cables bool) ([]byte, error) {
	nodes, addresses, interfaces := map[string]any{}, map[string]string{}, map[string][]string{}
	for _, n := range r.Nodes {
		nodes[n.Name] = map[string]any{"hosts": "root@" + n.Name}
		addresses[n.Name] = n.Address.String() + "/24"
		interfaces[n.Name] = n.Interfaces
	}
	bridge := map[string]any{"mode": "bridge", "bridge": Bridge, "mtu": MTU, "stp": true, "addresses": addresses, "interfaces": interfaces}
	if cables {
		var all [][2]string
		for _, c := range r.Cables {
			all = append(all, [2]string{c[0].String(), c[1].String()})
		}
		bridge["cables"] = all
	}
	return json.MarshalIndent(map[string]any{"clusters": map[string]any{"madagascar": map[string]any{
		"nodes": nodes, "networks": map[string]any{"thunderbridge": bridge},
	}}}, "", "  ")
}

// WriteContext writes madagascar.json to path.
func (r *Ring) WriteContext(path string) error {
	text, err := r.Context(true)
	if err != nil {
		return fmt.Errorf("thunderbolt ring: %w", err)
	}
	return os.WriteFile(path, append(text, '\n'), 0o600)
}
