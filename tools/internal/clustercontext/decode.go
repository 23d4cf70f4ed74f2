package clustercontext

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// fields are what the reader knows of each kind of object. The schema has the
// same, and a test holds one against the other.
func fields() map[string][]string {
	return map[string][]string{
		"context":  {"$schema", "clusters"},
		"cluster":  {"nodes", "networks", "backupServers"},
		"node":     {"hosts"},
		"networks": {"wan", "thunderbridge"},
		"network":  {"mode", "bridge", "mtu", "stp", "gateway", "addresses", "interfaces", "paths", "cables"},
		"server":   {"host", "stores"},
		"store": {"type", "path", "marker", "endpoint", "bucket", "region", "prefix", "pathStyle", "lockDays", "url",
			"ca", "credentials"},
	}
}

const faultsMax = 20

// decoder collects everything that is wrong rather than the first: whoever
// mends the file wants to run once more, not ten times.
type decoder struct {
	name    string
	text    []byte
	faults  []error
	unknown []string
	seen    map[string]string // what may be there only once, and where it was
}

func decode(name string, text []byte, root node) (*Context, error) {
	d := &decoder{name: name, text: text, seen: map[string]string{}}
	c := &Context{}
	top := d.object(root, "context")
	if schema, there := top.find("$schema"); there {
		d.string(schema)
	}
	clusters, there := top.find("clusters")
	if !there && len(d.faults) == 0 {
		d.fault(root, "has no clusters")
	}
	for _, m := range d.named(clusters) {
		c.Clusters = append(c.Clusters, d.cluster(m))
	}
	c.Unknown = d.unknown
	if len(d.faults) > faultsMax {
		rest := fmt.Errorf("%s: and %d more", name, len(d.faults)-faultsMax)
		d.faults = append(d.faults[:faultsMax], rest)
	}
	if len(d.faults) > 0 {
		return nil, errors.Join(d.faults...)
	}
	return c, nil
}

func (d *decoder) fault(n node, format string, args ...any) {
	line := 1 + bytes.Count(d.text[:n.start], []byte("\n"))
	d.faults = append(d.faults, &Error{d.name, line, n.path, fmt.Sprintf(format, args...)})
}

// object is n as an object of a kind of fields; what is not in there is told.
// What is missing or wrong gives none.
func (d *decoder) object(n node, kind string) object {
	o, ok := n.value.(object)
	if !ok && n.end > 0 {
		d.fault(n, "is %s; it must be an object {…}", what(n))
	}
	for _, m := range o {
		if !slices.Contains(fields()[kind], m.key) {
			d.unknown = append(d.unknown, m.path)
		}
	}
	return o
}

// named is n as an object whose keys are names that people gave.
func (d *decoder) named(n node) object {
	o, ok := n.value.(object)
	if !ok && n.end > 0 {
		d.fault(n, "is %s; it must be an object {…}", what(n))
	}
	good := object{}
	for _, m := range o {
		if !word(m.key, 63, "._-") || !alphanumeric(rune(m.key[0])) {
			d.fault(m.node, "is no name: it must have letters, digits and . _ -, begin with a letter or digit, and have 63 at the most")
			continue
		}
		good = append(good, m)
	}
	return good
}

func (d *decoder) string(n node) string {
	s, ok := n.value.(string)
	switch {
	case n.end == 0:
	case !ok:
		d.fault(n, "is %s; it must be a text in quotes", what(n))
	case s == "":
		d.fault(n, "is empty")
	case len(s) > 1000:
		d.fault(n, "has %d bytes; 1000 are the most", len(s))
	case strings.IndexFunc(s, func(r rune) bool { return !strconv.IsPrint(r) }) >= 0:
		d.fault(n, "holds what cannot be printed")
	default:
		return s
	}
	return ""
}

// strings is n as a list of texts; one text is a list of one.
func (d *decoder) strings(n node) []node {
	switch v := n.value.(type) {
	case string:
		return []node{n}
	case list:
		return v
	}
	if n.end > 0 {
		d.fault(n, "is %s; it must be a text or a list of texts", what(n))
	}
	return nil
}

func (d *decoder) bool(n node) (value, there bool) {
	value, there = n.value.(bool)
	if !there && n.end > 0 {
		d.fault(n, "is %s; write true or false", what(n))
	}
	return value, there
}

// whole is n as a number between low and high.
func (d *decoder) whole(n node, low, high int) int {
	number, ok := n.value.(json.Number)
	if !ok {
		s, quoted := n.value.(string)
		if _, err := strconv.Atoi(s); quoted && err == nil {
			d.fault(n, "is the text %q: write the number without quotes", s)
		} else if n.end > 0 {
			d.fault(n, "is %s; it must be a whole number", what(n))
		}
		return 0
	}
	i, err := strconv.Atoi(number.String())
	if err != nil {
		d.fault(n, "is %.40s; it must be a whole number", number)
	} else if i < low || i > high {
		d.fault(n, "is %d; it must be from %d to %d", i, low, high)
	}
	return i
}

// once notes that what is at n, and refuses it when it was somewhere else.
func (d *decoder) once(n node, what string) {
	if first, twice := d.seen[what]; twice {
		d.fault(n, "%s is already at %s", what, first)
		return
	}
	d.seen[what] = n.path
}

func what(n node) string {
	switch v := n.value.(type) {
	case object:
		return "an object"
	case list:
		return "a list"
	case string:
		return fmt.Sprintf("the text %.40q", v)
	case bool:
		return strconv.FormatBool(v)
	case json.Number:
		return fmt.Sprintf("the number %.40s", v)
	}
	return "null"
}
