package helmrelease

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// status reads the status from the metadata, as the index has it.
func (rev revision) status() (string, error) {
	m, err := rev.meta()
	return m.Status, err
}

func (rev revision) meta() (metadata, error) {
	var m metadata
	if err := json.Unmarshal(rev.metadata, &m); err != nil {
		return m, fmt.Errorf("%s: json: %w", metadataFile, blind(err))
	}
	return m, nil
}

// verify decodes the record anew, as if it came from the cluster, and holds the
// other two files against it.
func (rev revision) verify() error {
	m, err := rev.meta()
	if err != nil {
		return err
	}
	r := Release{Namespace: m.Namespace, Kind: m.Kind, Object: m.Object, Labels: m.Labels}
	if err := parseRecord(rev.record, &r); err != nil {
		return fmt.Errorf("%s: %w", recordFile, err)
	}
	if err := checkIdentity(&r); err != nil {
		return fmt.Errorf("%s: %w", recordFile, err)
	}
	if folder(r.Namespace, r.Name, r.Kind) != rev.folder || r.Revision != rev.number {
		return fmt.Errorf("%s: it is of another release", recordFile)
	}
	// Field by field, and not byte by byte: a later edition of this program may
	// write more fields and has to accept what this one wrote.
	if m.Name != r.Name || m.Revision != r.Revision || m.Status != r.Status ||
		m.Chart != r.Chart || m.ChartVersion != r.ChartVersion || m.AppVersion != r.AppVersion {
		return fmt.Errorf("%s: it does not agree with %s", metadataFile, recordFile)
	}
	return sameValues(rev.values, r)
}

// sameValues holds values.yaml, as data, against the record. It goes through a
// YAML parser and not through our writer, so that it also judges the writer.
func sameValues(text []byte, r Release) error {
	var doc yaml.Node
	dec := yaml.NewDecoder(bytes.NewReader(text))
	if err := dec.Decode(&doc); err != nil || len(doc.Content) != 1 {
		return fmt.Errorf("%s: not one YAML document", valuesFile)
	}
	if dec.Decode(new(yaml.Node)) == nil {
		return fmt.Errorf("%s: more than one YAML document", valuesFile)
	}
	var v any
	if r.config != nil {
		var err error
		if v, err = decodeJSON(r.config); err != nil {
			return fmt.Errorf("%s: %w", recordFile, err)
		}
	}
	if !same(doc.Content[0], v) {
		return fmt.Errorf("%s: %w", valuesFile, errOtherValues)
	}
	return nil
}

var errOtherValues = errors.New("the values are not those of the record")

func same(n *yaml.Node, v any) bool {
	if n.Anchor != "" {
		return false
	}
	switch v := v.(type) {
	case map[string]any:
		if n.Kind != yaml.MappingNode || len(n.Content) != 2*len(v) {
			return false
		}
		for pair := range slices.Chunk(n.Content, 2) {
			e, ok := v[pair[0].Value]
			if !ok || !isString(pair[0]) || !same(pair[1], e) {
				return false
			}
			// A key that came twice would stand for one that is missing.
			delete(v, pair[0].Value)
		}
		return true
	case []any:
		if n.Kind != yaml.SequenceNode || len(n.Content) != len(v) {
			return false
		}
		for i, e := range v {
			if !same(n.Content[i], e) {
				return false
			}
		}
		return true
	}
	if n.Kind != yaml.ScalarNode {
		return false
	}
	switch v := v.(type) {
	case string:
		return isString(n) && n.Value == v
	case json.Number:
		// 1e999 is a number in JSON and, being beyond any float, a string to
		// this parser: plain digits are what counts.
		return n.Style == 0 && n.Value == v.String()
	case bool:
		return n.ShortTag() == "!!bool" && strings.ToLower(n.Value) == fmt.Sprint(v)
	}
	return v == nil && n.ShortTag() == "!!null"
}

func isString(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!str" }
