package helmrelease

import (
	"bytes"
	"encoding/json"
	"fmt"

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
	if err := enc.Encode(plainNumbers(v)); err != nil {
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

// plainNumbers replaces, in place, each number by a YAML scalar of the same
// digits: as a Go string it would be quoted, as a Go number rounded. Strings
// stay Go strings, for which the encoder also quotes what only older YAML
// (Helm's) takes for a truth value or a number.
func plainNumbers(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k, e := range v {
			v[k] = plainNumbers(e)
		}
	case []any:
		for i, e := range v {
			v[i] = plainNumbers(e)
		}
	case json.Number:
		return &yaml.Node{Kind: yaml.ScalarNode, Value: v.String()}
	}
	return v
}
