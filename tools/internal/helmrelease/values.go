package helmrelease

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// maxDepth is how deep values may nest to be written in block style: each level
// indents all below it, so that depth costs its square.
const maxDepth = 64

// ValuesYAML gives the values that the user set, as data the same as `helm get
// values -o yaml`: "null" when none were given, keys in a fixed order. Numbers
// are those of the record, digit by digit; Helm rounds what exceeds 2^53.
func (r Release) ValuesYAML() ([]byte, error) {
	if r.config == nil {
		return []byte("null\n"), nil
	}
	v, err := decodeJSON(r.config)
	if err != nil {
		return nil, fmt.Errorf("values: %w", err)
	}
	if deeper(v, maxDepth) {
		// JSON is YAML too, and does not grow.
		out, err := json.Marshal(v)
		if err != nil {
			return nil, fmt.Errorf("values: %w", blind(err))
		}
		return append(out, '\n'), nil
	}
	var out bytes.Buffer
	enc := yaml.NewEncoder(&out)
	enc.SetIndent(2)
	if err := enc.Encode(toYAML(v)); err != nil {
		return nil, fmt.Errorf("values: yaml: %w", err)
	}
	if err := enc.Close(); err != nil {
		return nil, fmt.Errorf("values: yaml: %w", err)
	}
	return out.Bytes(), nil
}

func decodeJSON(b []byte) (any, error) {
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return nil, fmt.Errorf("json: %w", blind(err))
	}
	return v, nil
}

func deeper(v any, than int) bool {
	if than < 0 {
		return true
	}
	switch v := v.(type) {
	case map[string]any:
		for _, e := range v {
			if deeper(e, than-1) {
				return true
			}
		}
	case []any:
		for _, e := range v {
			if deeper(e, than-1) {
				return true
			}
		}
	}
	return false
}

// toYAML builds the document by hand where encoding Go values would do harm: a
// number as a Go number is rounded and as a Go string quoted, and the key "<<"
// would be written bare, which merges maps.
func toYAML(v any) *yaml.Node {
	switch v := v.(type) {
	case map[string]any:
		n := &yaml.Node{Kind: yaml.MappingNode}
		for _, k := range slices.Sorted(maps.Keys(v)) {
			n.Content = append(n.Content, key(k), toYAML(v[k]))
		}
		return n
	case []any:
		n := &yaml.Node{Kind: yaml.SequenceNode}
		for _, e := range v {
			n.Content = append(n.Content, toYAML(e))
		}
		return n
	case string:
		return text(v)
	case json.Number:
		return &yaml.Node{Kind: yaml.ScalarNode, Value: v.String()}
	case bool:
		return &yaml.Node{Kind: yaml.ScalarNode, Value: strconv.FormatBool(v)}
	}
	return &yaml.Node{Kind: yaml.ScalarNode, Value: "null"}
}

// olderYAML is text that YAML 1.1, which Helm reads, takes for a truth value, a
// number of base 60, the default key or the one that merges maps. The encoder's own
// notion of what needs quotes is another and leaves these bare.
var olderYAML = regexp.MustCompile(`^(?i:y|n|yes|no|on|off|=|<<|[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?)$`)

// text is a string that stays one in every edition of YAML.
func text(s string) *yaml.Node {
	n := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: s}
	if olderYAML.MatchString(s) || strings.Contains(s, "\n") && !blockText(s) {
		n.Style = yaml.DoubleQuotedStyle
	}
	return n
}

func key(s string) *yaml.Node {
	n := text(s)
	if strings.Contains(s, "\n") {
		n.Style = yaml.DoubleQuotedStyle
	}
	return n
}

// blockText tells whether lines of text survive as a block of their own: the
// encoder loses those that begin with space or an empty line.
func blockText(s string) bool {
	return !strings.ContainsAny(s[:1], " \t\n") && !strings.ContainsAny(s, "\r\u0085\u2028\u2029\ufeff")
}
