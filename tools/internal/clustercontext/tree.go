package clustercontext

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/railiance/railiance/tools/internal/host"
)

const (
	sizeMax  = 1 << 20 // bytes of a file
	depthMax = 32
)

// node is a value of the document with its place in the file, so that an error
// can name it and an edit can leave everything else as it was.
type node struct {
	path       string
	start, end int // bytes in the text
	value      any // object, list, string, json.Number, bool or nil
}

type member struct {
	key string
	at  int // where the key begins
	node
}

type (
	object []member
	list   []node
)

func (o object) find(key string) (node, bool) {
	for _, m := range o {
		if m.key == key {
			return m.node, true
		}
	}
	return node{}, false
}

// parser reads JSON tokens and remembers where they stood. encoding/json alone
// takes the last of two equal keys, and knows no places.
type parser struct {
	name string
	text []byte
	*json.Decoder
}

func parse(name string, text []byte) (node, error) {
	p := &parser{name: name, text: text, Decoder: json.NewDecoder(bytes.NewReader(text))}
	p.UseNumber()
	switch {
	case len(text) > sizeMax:
		return node{}, fmt.Errorf("%s: has more than %d bytes", name, sizeMax)
	case bytes.HasPrefix(text, []byte("\ufeff")):
		return node{}, fmt.Errorf("%s: begins with a byte order mark: save it as plain UTF-8", name)
	case !utf8.Valid(text):
		return node{}, fmt.Errorf("%s: is not UTF-8", name)
	}
	root, err := p.read("", 0)
	if err != nil {
		return node{}, err
	}
	if _, err := p.Token(); err != io.EOF {
		return node{}, p.fail(p.next(), "", "there is more after the end of the document")
	}
	return root, nil
}

// next is where the next token begins.
func (p *parser) next() int {
	at := int(p.InputOffset())
	for at < len(p.text) && bytes.IndexByte([]byte(" \t\r\n,:"), p.text[at]) >= 0 {
		at++
	}
	return at
}

func (p *parser) fail(at int, path, what string) error {
	return &Error{File: p.name, Line: 1 + bytes.Count(p.text[:min(at, len(p.text))], []byte("\n")), Path: path, What: what}
}

// broken is what is wrong with the JSON itself.
func (p *parser) broken(at int, path string, err error) error {
	var syntax *json.SyntaxError
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return p.fail(len(p.text), path, "the file ends too early")
	case errors.As(err, &syntax):
		return p.fail(max(int(syntax.Offset)-1, 0), path, "is not JSON: "+host.Printable(err.Error()))
	}
	return p.fail(at, path, "is not JSON: "+host.Printable(err.Error()))
}

func (p *parser) read(path string, depth int) (node, error) {
	n := node{path: path, start: p.next()}
	if depth > depthMax {
		return n, p.fail(n.start, path, fmt.Sprintf("is nested deeper than %d", depthMax))
	}
	token, err := p.Token()
	if err != nil {
		return n, p.broken(n.start, path, err)
	}
	switch token {
	case json.Delim('{'):
		n.value, err = p.object(path, depth)
	case json.Delim('['):
		n.value, err = p.list(path, depth)
	default:
		n.value = token
	}
	n.end = int(p.InputOffset())
	return n, err
}

func (p *parser) object(path string, depth int) (object, error) {
	o := object{}
	lines := map[string]int{}
	for p.More() {
		at := p.next()
		token, err := p.Token()
		if err != nil {
			return nil, p.broken(at, path, err)
		}
		key, _ := token.(string) // the decoder accepts nothing else
		inner := join(path, key)
		if _, twice := lines[key]; twice {
			return nil, p.fail(at, inner, fmt.Sprintf("is there twice, first on line %d", lines[key]))
		}
		lines[key] = 1 + bytes.Count(p.text[:at], []byte("\n"))
		n, err := p.read(inner, depth+1)
		if err != nil {
			return nil, err
		}
		o = append(o, member{key, at, n})
	}
	if _, err := p.Token(); err != nil {
		return nil, p.broken(p.next(), path, err)
	}
	return o, nil
}

func (p *parser) list(path string, depth int) (list, error) {
	l := list{}
	for p.More() {
		n, err := p.read(path+"["+strconv.Itoa(len(l))+"]", depth+1)
		if err != nil {
			return nil, err
		}
		l = append(l, n)
	}
	if _, err := p.Token(); err != nil {
		return nil, p.broken(p.next(), path, err)
	}
	return l, nil
}

// join is the path of a member. Keys that are no plain words are quoted, so
// that none can pretend to be a path.
func join(path, key string) string {
	if !word(key, 64, "_$-") {
		if len(key) > 64 {
			key = key[:64] + "…"
		}
		return path + "[" + strconv.QuoteToASCII(key) + "]"
	}
	if path == "" {
		return key
	}
	return path + "." + key
}

// word says whether s has up to max letters, digits and characters of others,
// and at least one.
func word(s string, max int, others string) bool {
	return s != "" && len(s) <= max && strings.IndexFunc(s, func(r rune) bool {
		return !alphanumeric(r) && !strings.ContainsRune(others, r)
	}) < 0
}

func alphanumeric(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
}
