package estate

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Inventory is all that a cluster holds, by identity.
type Inventory struct {
	Objects  map[string]string // "secrets vault/database" → its JSON, canonical
	Releases map[string]string // "media/navidrome" → `helm get values` as JSON
}

// living are the resources that a cluster writes by itself all the time, or
// that are no objects at all but answers of the moment.
var living = []string{"componentstatuses", "events", "events.events.k8s.io", "leases.coordination.k8s.io"}

// itself is what the API server writes about itself whenever it starts or ends.
var itself = []string{"v1 Endpoints default/kubernetes", "discovery.k8s.io/v1 EndpointSlice default/kubernetes"}

// Inventory asks for everything that can be listed.
func (s *Server) Inventory(ctx context.Context) (Inventory, error) {
	inv := Inventory{Objects: map[string]string{}, Releases: map[string]string{}}
	out, err := s.Kubectl(ctx, "", "api-resources", "--verbs=list", "-o", "name")
	if err != nil {
		return inv, err
	}
	resources := slices.DeleteFunc(strings.Fields(string(out)), func(r string) bool { return slices.Contains(living, r) })
	if out, err = s.Kubectl(ctx, "", "get", strings.Join(resources, ","), "-A", "-o", "json"); err != nil {
		return inv, err
	}
	var all struct{ Items []map[string]any }
	if err := decode(out, &all); err != nil {
		return inv, fmt.Errorf("kubectl get: %w", err)
	}
	for _, object := range all.Items {
		id, text, err := canonical(object)
		if err != nil {
			return inv, err
		}
		if !slices.Contains(itself, id) {
			inv.Objects[id] = text
		}
	}
	return inv, s.releases(ctx, inv.Releases)
}

// canonical leaves out who wrote which field when, and when in the cluster's
// life it was. The uid stays: an object that was made again is not the same.
func canonical(object map[string]any) (id, text string, err error) {
	meta, ok := object["metadata"].(map[string]any)
	if !ok {
		return "", "", fmt.Errorf("an object without metadata: %v", object["kind"])
	}
	delete(meta, "managedFields")
	delete(meta, "resourceVersion")
	namespace, _ := meta["namespace"].(string)
	id = fmt.Sprintf("%v %v %s/%v", object["apiVersion"], object["kind"], namespace, meta["name"])
	b, err := json.Marshal(object)
	return id, string(b), err
}

func (s *Server) releases(ctx context.Context, into map[string]string) error {
	list, err := s.List(ctx)
	if err != nil {
		return err
	}
	for _, r := range list {
		values, err := s.Values(ctx, s.Helm3, r)
		if err != nil {
			return err
		}
		into[r.Namespace+"/"+r.Name] = fmt.Sprintf("%s revision %s %s %s", r.Chart, r.Revision, r.Status, values)
	}
	return nil
}

// Release is a line of helm list.
type Release struct{ Name, Namespace, Revision, Status, Chart string }

// List is every release in every state, also beyond Helm's limit of 256.
func (s *Server) List(ctx context.Context) ([]Release, error) {
	out, err := s.Helm(ctx, s.Helm3, "list", "--all-namespaces", "--all", "--max", "0", "--output", "json")
	if err != nil {
		return nil, err
	}
	var list []Release
	return list, decode(out, &list)
}

// Values is what `helm get values` prints, as canonical JSON.
func (s *Server) Values(ctx context.Context, helm string, r Release) (string, error) {
	out, err := s.Helm(ctx, helm, "get", "values", r.Name, "--namespace", r.Namespace, "--output", "json")
	if err != nil {
		return "", err
	}
	var values any
	if err := decode(out, &values); err != nil {
		return "", fmt.Errorf("helm get values %s: %w", r.Name, err)
	}
	b, err := json.Marshal(values)
	return string(b), err
}

// decode keeps numbers as they are written: a float would hide a lost digit.
func decode(b []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	return d.Decode(v)
}
