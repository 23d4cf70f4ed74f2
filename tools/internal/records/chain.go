package records

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/railiance/railiance/tools/internal/host"
)

const (
	idPrefix = "CHG-"
	depthMax = 32
)

// Report is what a changelog is known to hold.
type Report struct {
	Entries   int
	Unchained int    // of these, older ones from before there was a chain
	LastID    string // empty: no entry
	Head      string // SHA-256 of the last entry in canonical form; empty: no entry
}

// Verify reads the changelog at path and follows its chain. The chain shows
// that no entry was changed, taken out or put in between; that entries are
// missing at the end is seen by comparing Head with one that was noted
// elsewhere. A damaged file gives ErrDamaged; none gives fs.ErrNotExist.
func Verify(path string) (Report, error) {
	if _, err := os.Stat(path); err != nil {
		return Report{}, fmt.Errorf("changelog: %w", err)
	}
	text, _, err := load(path, sizeMax)
	if err != nil {
		return Report{}, err
	}
	c, err := parse(text)
	if err != nil {
		return Report{}, fmt.Errorf("changelog: %s: %w", path, err)
	}
	return Report{c.entries, c.unchained, c.lastID, c.head}, nil
}

// changelog is what parse found.
type changelog struct {
	entries, unchained int
	last               int64  // greatest number of an ID that we gave
	lastID             string // of any kind
	head               string
	body               []byte // from [ to the end of the last entry
}

// parse reads a changelog and follows its chain. No text (nil) is no file yet. A
// file without a byte is a damaged one: its entries are gone, which must be told.
func parse(text []byte) (*changelog, error) {
	c := &changelog{}
	if text == nil {
		return c, nil
	}
	if !utf8.Valid(text) {
		return nil, fmt.Errorf("%w: it is not UTF-8", ErrDamaged)
	}
	d := json.NewDecoder(bytes.NewReader(text))
	if t, err := d.Token(); err != nil || t != json.Delim('[') {
		return nil, fmt.Errorf("%w: line 1: it is no JSON array", ErrDamaged)
	}
	ids := map[string]bool{}
	for d.More() {
		var raw json.RawMessage
		if err := d.Decode(&raw); err != nil {
			return nil, c.damage(text, d.InputOffset(), err)
		}
		if err := c.follow(raw, ids); err != nil {
			return nil, c.damage(text, d.InputOffset()-int64(len(raw)), err)
		}
		c.body = text[:d.InputOffset()]
	}
	if _, err := d.Token(); err != nil {
		return nil, c.damage(text, int64(len(text)), err)
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, c.damage(text, d.InputOffset(), errors.New("there is more after the end"))
	}
	return c, nil
}

func (c *changelog) damage(text []byte, at int64, err error) error {
	var syntax *json.SyntaxError
	what := host.Printable(err.Error())
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		at, what = int64(len(text)), "it ends too early"
	} else if errors.As(err, &syntax) {
		what = "it is not JSON: " + what
	}
	line := 1 + bytes.Count(text[:min(at, int64(len(text)))], []byte("\n"))
	return fmt.Errorf("%w: line %d, entry %d: %s", ErrDamaged, line, c.entries+1, what)
}

// follow takes one more entry into account.
func (c *changelog) follow(raw json.RawMessage, ids map[string]bool) error {
	if err := single(raw); err != nil {
		return err
	}
	var entry map[string]any // a struct's fields would match keys in any case
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	if err := d.Decode(&entry); err != nil {
		return err
	}
	id := fmt.Sprint(entry["id"]) // before there was a chain, IDs were of any kind
	if entry["id"] == nil || id == "" {
		return errors.New("it has no id")
	}
	if ids[id] {
		return fmt.Errorf("its id %.40s is there twice", id)
	}
	ids[id] = true
	previous, there := entry["previous"]
	switch {
	case !there && c.entries > c.unchained:
		return errors.New("it has no previous, and those before have")
	case !there:
		c.unchained++
	case previous != c.head:
		return errors.New("its previous is not the hash of the entry before: one of them was changed, or one between them is missing")
	}
	number, ours := strings.CutPrefix(id, idPrefix)
	if n, err := strconv.ParseInt(number, 10, 64); ours && err == nil {
		if n <= c.last {
			return fmt.Errorf("its id %.40s comes after %s%06d", id, idPrefix, c.last)
		}
		c.last = n
	}
	hash, err := canonicalHash(entry)
	if err != nil {
		return err
	}
	c.head, c.lastID = hash, id
	c.entries++
	return nil
}

// canonicalHash is the SHA-256, in hex, of an entry without spaces and with
// sorted keys: what `jq -cS` prints, less the newline.
func canonicalHash(entry map[string]any) (string, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(entry); err != nil {
		return "", err
	}
	sum := sha256.Sum256(bytes.TrimSuffix(b.Bytes(), []byte("\n")))
	return hex.EncodeToString(sum[:]), nil
}

// single refuses keys that are there twice: two programs would read two
// different entries, with one hash.
func single(raw json.RawMessage) error {
	type level struct {
		keys map[string]bool // nil in a list
		key  bool            // the next token is a key
	}
	var open []level
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	for {
		t, err := d.Token()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if t == json.Delim('}') || t == json.Delim(']') {
			open = open[:len(open)-1]
			continue
		}
		if len(open) == 0 && t != json.Delim('{') {
			return errors.New("it is no object")
		}
		if len(open) > 0 && open[len(open)-1].keys != nil {
			top := &open[len(open)-1]
			if top.key {
				key, _ := t.(string) // the decoder accepts nothing else
				if top.keys[key] {
					return fmt.Errorf("its key %.40q is there twice", key)
				}
				top.keys[key], top.key = true, false
				continue
			}
			top.key = true
		}
		switch t {
		case json.Delim('{'):
			open = append(open, level{keys: map[string]bool{}, key: true})
		case json.Delim('['):
			open = append(open, level{})
		}
		if len(open) > depthMax {
			return fmt.Errorf("it is nested deeper than %d", depthMax)
		}
	}
}
