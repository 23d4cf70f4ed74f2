package clustercontext

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/railiance/railiance/tools/internal/state"
)

// Doc is a context that is being changed. Every edit leaves the bytes that it
// does not mean as they are: order, spaces and unknown fields.
type Doc struct {
	name string
	text []byte
	root node
}

// Update changes the file at path, under a lock and all at once: it is as
// change left it or, where change failed or made something that is no context,
// as it was. An edit that changes nothing writes nothing. The file must exist.
func Update(ctx context.Context, path string, change func(*Doc) error) (err error) {
	// A link stays a link.
	path, err = filepath.EvalSymlinks(path)
	if err != nil {
		return fmt.Errorf("cluster context: %w", err)
	}
	lock, err := state.Wait(ctx, filepath.Dir(path))
	if err != nil {
		return fmt.Errorf("cluster context: %w", err)
	}
	defer func() { err = errors.Join(err, lock.Unlock()) }()
	if _, err := state.SweepSeen(path); err != nil {
		return fmt.Errorf("cluster context: %w", err)
	}
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("cluster context: %w", err)
	}
	text, err := load(path)
	if err != nil {
		return err
	}
	d := &Doc{name: path, text: text}
	if d.root, err = parse(path, text); err != nil {
		return err
	}
	if err := change(d); err != nil {
		return err
	}
	if bytes.Equal(d.text, text) {
		return nil
	}
	if _, err := d.Context(); err != nil {
		return fmt.Errorf("cluster context: the change is refused: %w", err)
	}
	if err := state.ReplaceBytes(path, d.text, info.Mode().Perm()); err != nil {
		return fmt.Errorf("cluster context: %w", err)
	}
	return nil
}

// Context is what d says now.
func (d *Doc) Context() (*Context, error) { return Parse(d.name, d.text) }

// Get is the JSON at the keys, and whether there is any.
func (d *Doc) Get(keys ...string) (json.RawMessage, bool) {
	n, rest, _ := d.walk(keys)
	if len(rest) > 0 {
		return nil, false
	}
	return bytes.Clone(d.text[n.start:n.end]), true
}

// Set puts value at the keys of objects; objects that are missing on the way
// are made. A list is replaced as a whole.
func (d *Doc) Set(value any, keys ...string) error {
	n, rest, _ := d.walk(keys)
	if len(rest) == 0 {
		b, err := d.marshal(value, n.start)
		if err != nil || bytes.Equal(compact(b), compact(d.text[n.start:n.end])) {
			return err
		}
		return d.splice(n.start, n.end, b)
	}
	o, ok := n.value.(object)
	if !ok {
		return fmt.Errorf("%s: is %s, and cannot have %q", n.path, what(n), rest[0])
	}
	for i := len(rest) - 1; i > 0; i-- {
		value = map[string]any{rest[i]: value}
	}
	return d.insert(n, o, rest[0], value)
}

// Remove takes out what is at the keys, if anything is.
func (d *Doc) Remove(keys ...string) error {
	if len(keys) == 0 {
		return errors.New("the whole document cannot be removed")
	}
	_, rest, parent := d.walk(keys)
	if len(rest) > 0 {
		return nil
	}
	o := parent.value.(object) // walk came through it
	i := 0
	for o[i].key != keys[len(keys)-1] {
		i++
	}
	switch {
	case i+1 < len(o):
		return d.splice(o[i].at, o[i+1].at, nil)
	case i > 0:
		return d.splice(o[i-1].end, o[i].end, nil)
	}
	return d.splice(parent.start+1, parent.end-1, nil)
}

// walk follows the keys as far as they go: where it came to, the keys that were
// left, and the object before.
func (d *Doc) walk(keys []string) (n node, rest []string, parent node) {
	n = d.root
	for i, key := range keys {
		o, _ := n.value.(object)
		next, there := o.find(key)
		if !there {
			return n, keys[i:], parent
		}
		n, parent = next, n
	}
	return n, nil, parent
}

const indentation = "  "

func (d *Doc) insert(n node, o object, key string, value any) error {
	name, err := json.Marshal(key)
	if err != nil {
		return err
	}
	if len(o) == 0 {
		outer := d.indentAt(n.start)
		b, err := marshal(value, outer+indentation)
		if err != nil {
			return err
		}
		return d.splice(n.start, n.end, fmt.Appendf(nil, "{\n%s%s: %s\n%s}", outer+indentation, name, b, outer))
	}
	last := o[len(o)-1]
	b, err := d.marshal(value, last.at)
	if err != nil {
		return err
	}
	between := " "
	if bytes.ContainsRune(d.text[n.start:o[0].at], '\n') {
		between = "\n" + d.indentAt(last.at)
	}
	return d.splice(last.end, last.end, fmt.Appendf(nil, ",%s%s: %s", between, name, b))
}

// indentAt is what the line of a byte begins with.
func (d *Doc) indentAt(at int) string {
	line := d.text[bytes.LastIndexByte(d.text[:at], '\n')+1:]
	return string(line[:len(line)-len(bytes.TrimLeft(line, " \t"))])
}

func (d *Doc) marshal(value any, at int) ([]byte, error) { return marshal(value, d.indentAt(at)) }

func marshal(value any, prefix string) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent(prefix, indentation)
	if err := e.Encode(value); err != nil {
		return nil, fmt.Errorf("cluster context: %w", err)
	}
	return []byte(strings.TrimSuffix(b.String(), "\n")), nil
}

// compact is for comparing.
func compact(b []byte) []byte {
	var out bytes.Buffer
	if json.Compact(&out, b) != nil {
		return b
	}
	return out.Bytes()
}

func (d *Doc) splice(start, end int, b []byte) error {
	text := append(append(append([]byte{}, d.text[:start]...), b...), d.text[end:]...)
	root, err := parse(d.name, text)
	if err != nil {
		return err
	}
	d.text, d.root = text, root
	return nil
}
