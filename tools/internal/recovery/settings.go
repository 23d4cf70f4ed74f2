package recovery

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/railiance/railiance/tools/internal/host"
)

// secret are names of settings whose values nobody else may see. It rather
// hides a path too many than shows one password.
var secret = regexp.MustCompile(`(?i)token|secret|passw|key|auth|endpoint|credential|private`)

const (
	hidden    = "(not shown)"
	longest   = 200 // characters of a value that are shown
	mostLines = 200 // of one file
)

// settings compares two configuration files setting by setting, for a person to
// agree to: "- " is here, "+ " is in the set. Files are never shown as they
// are: the line that a secret stands on cannot be told from its neighbours
// without understanding the file.
func settings(here, set []byte) ([]string, error) {
	before, err := flatten(here)
	if err != nil {
		return nil, err
	}
	after, err := flatten(set)
	if err != nil {
		return nil, err
	}
	names := maps.Clone(before)
	maps.Copy(names, after)
	var lines []string
	for _, name := range slices.Sorted(maps.Keys(names)) {
		old, was := before[name]
		value, is := after[name]
		if was && is && old == value {
			continue
		}
		if was {
			lines = append(lines, "- "+host.Printable(name)+": "+shown(name, old))
		}
		if is {
			lines = append(lines, "+ "+host.Printable(name)+": "+shown(name, value))
		}
	}
	if len(lines) > mostLines {
		lines = append(lines[:mostLines], fmt.Sprintf("and %d more", len(lines)-mostLines))
	}
	return lines, nil
}

func shown(name, value string) string {
	// A value may be an argument for another program, name=value, or an
	// address with a password in it.
	inner, _, _ := strings.Cut(value, "=")
	_, address, isURL := strings.Cut(value, "://")
	switch {
	case value == "true" || value == "false":
		return value
	case secret.MatchString(name), strings.Contains(value, "=") && secret.MatchString(inner), isURL && strings.Contains(address, "@"):
		return hidden
	case len([]rune(value)) > longest:
		return fmt.Sprintf("(%d characters)", len([]rune(value)))
	}
	return host.Printable(value)
}

// flatten is a YAML file as "a.b[0]" → scalar.
func flatten(b []byte) (map[string]string, error) {
	flat := map[string]string{}
	d := yaml.NewDecoder(bytes.NewReader(b))
	var top any
	if err := d.Decode(&top); err != nil {
		if errors.Is(err, io.EOF) {
			return flat, nil
		}
		// The parser's own words would quote the file.
		return nil, errors.New("not YAML")
	}
	if err := d.Decode(new(any)); !errors.Is(err, io.EOF) {
		return nil, errors.New("more than one YAML document")
	}
	var walk func(name string, v any)
	walk = func(name string, v any) {
		switch v := v.(type) {
		case map[string]any:
			for key, inner := range v {
				walk(strings.TrimPrefix(name+"."+key, "."), inner)
			}
		case map[any]any:
			for key, inner := range v {
				walk(strings.TrimPrefix(name+"."+fmt.Sprint(key), "."), inner)
			}
		case []any:
			for i, inner := range v {
				walk(name+"["+strconv.Itoa(i)+"]", inner)
			}
		default:
			flat[name] = fmt.Sprint(v)
		}
	}
	walk("", top)
	return flat, nil
}
