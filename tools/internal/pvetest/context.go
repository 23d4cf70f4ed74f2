package pvetest

import (
	"encoding/json"

	"github.com/railiance/railiance/tools/internal/clustercontext"
)

// Server is the backup server of the context that WriteContext writes.
const Server = "shelter"

// WriteContext writes a cluster context, in which the nodes are reached as Env
// lets ssh reach them, and in which Server has the stores.
func (w *World) WriteContext(path string, stores ...clustercontext.Store) error {
	f, err := w.file()
	if err != nil {
		return err
	}
	nodes, addresses := map[string]any{}, map[string]any{}
	for _, n := range f.Nodes {
		nodes[n.Name] = map[string]any{"hosts": []string{n.Name}}
		if n.Address != "" {
			addresses[n.Name] = n.Address + "/24"
		}
	}
	places := map[string]any{}
	for _, s := range stores {
		place := map[string]any{}
		for key, value := range map[string]string{
			"type": s.Type, "path": s.Path, "marker": s.Marker, "endpoint": s.Endpoint, "bucket": s.Bucket, "region": s.Region,
			"prefix": s.Prefix, "url": s.URL, "ca": s.CA, "credentials": s.Credentials,
		} {
			if value != "" {
				place[key] = value
			}
		}
		if s.PathStyle {
			place["pathStyle"] = true
		}
		places[s.Name] = place
	}
	name := f.Name
	if name == "" {
		name = "madagascar"
	}
	context := map[string]any{"clusters": map[string]any{name: map[string]any{
		"nodes":         nodes,
		"networks":      map[string]any{"wan": map[string]any{"addresses": addresses}},
		"backupServers": map[string]any{Server: map[string]any{"stores": places}},
	}}}
	b, err := json.MarshalIndent(context, "", "  ")
	if err != nil {
		return err
	}
	b = append(b, '\n')
	if _, err := clustercontext.Parse(path, b); err != nil {
		return err
	}
	return write(path, b)
}
