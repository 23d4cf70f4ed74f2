package helmrelease

import (
	"encoding/json"
	"fmt"
	"time"
)

// format is the version of the tar's layout and of its JSON.
const format = 1

// metadata is what a person needs beside the values to install a release
// again.
type metadata struct {
	Format       int    `json:"format"`
	Namespace    string `json:"namespace"`
	Name         string `json:"name"`
	Revision     int    `json:"revision"`
	Status       string `json:"status"`
	Chart        string `json:"chart"`
	ChartVersion string `json:"chartVersion"`
	AppVersion   string `json:"appVersion,omitempty"`

	FirstDeployed time.Time `json:"firstDeployed,omitzero"`
	LastDeployed  time.Time `json:"lastDeployed,omitzero"`
	Deleted       time.Time `json:"deleted,omitzero"`
	Description   string    `json:"description,omitempty"`
	ApplyMethod   string    `json:"applyMethod,omitempty"`

	Kind   Kind              `json:"kind"`
	Object string            `json:"object"`
	Labels map[string]string `json:"labels,omitempty"`

	Source Source `json:"source,omitzero"`
}

// MetadataJSON gives all that is known of the release but its values, its
// templates and its manifest, as one indented JSON object.
func (r Release) MetadataJSON() ([]byte, error) {
	b, err := json.MarshalIndent(metadata{
		Format: format, Namespace: r.Namespace, Name: r.Name, Revision: r.Revision, Status: r.Status,
		Chart: r.Chart, ChartVersion: r.ChartVersion, AppVersion: r.AppVersion,
		FirstDeployed: r.FirstDeployed, LastDeployed: r.LastDeployed, Deleted: r.Deleted,
		Description: r.Description, ApplyMethod: r.ApplyMethod,
		Kind: r.Kind, Object: r.Object, Labels: r.Labels, Source: r.Source,
	}, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("metadata: %w", err)
	}
	return append(b, '\n'), nil
}
