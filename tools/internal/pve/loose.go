package pve

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

// Proxmox's JSON comes from Perl: the same field is a number in one place and a
// string in another, and null where there is nothing. These types take either,
// and take nonsense for nothing rather than lose the rest of the answer.

// number is a whole number, written as such or as a string; ok is false for
// anything else.
type number struct {
	n  int64
	ok bool
}

func (v *number) UnmarshalJSON(b []byte) error {
	*v = number{}
	s := scalar(b)
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		*v = number{n, true}
	} else if f, err := strconv.ParseFloat(s, 64); err == nil && f == float64(int64(f)) && f > -1<<53 && f < 1<<53 {
		*v = number{int64(f), true}
	}
	return nil
}

// text is a string, or a number as it was written.
type text string

func (v *text) UnmarshalJSON(b []byte) error {
	*v = text(scalar(b))
	return nil
}

// truth is one of 1, "1" and true; anything else is false.
type truth bool

func (v *truth) UnmarshalJSON(b []byte) error {
	s := scalar(b)
	*v = s == "1" || s == "true"
	return nil
}

// scalar is a string, number or boolean as text; empty for null, objects and
// arrays.
func scalar(b []byte) string {
	switch {
	case len(b) == 0 || b[0] == '{' || b[0] == '[' || string(b) == "null":
		return ""
	case b[0] != '"':
		return string(b)
	}
	var s string
	if json.Unmarshal(b, &s) != nil {
		return ""
	}
	return s
}

// entriesMax bounds the lists that a node may give us: an answer of bounded
// size can hold millions of empty objects, which take far more memory.
const entriesMax = 20_000

// list decodes a JSON array entry by entry. An entry that is not as it should
// be is left out and counted.
func list[T any](b []byte) (all []T, odd int, err error) {
	d := json.NewDecoder(bytes.NewReader(b))
	if open, err := d.Token(); err != nil {
		return nil, 0, cut(err)
	} else if open != json.Delim('[') {
		return nil, 0, errors.New("is no JSON array")
	}
	for d.More() {
		if len(all)+odd == entriesMax {
			return nil, odd, fmt.Errorf("has more than %d entries", entriesMax)
		}
		var raw json.RawMessage
		if err := d.Decode(&raw); err != nil {
			return nil, odd, cut(err)
		}
		var one T
		if json.Unmarshal(raw, &one) != nil {
			odd++
			continue
		}
		all = append(all, one)
	}
	if _, err := d.Token(); err != nil {
		return nil, odd, cut(err)
	}
	return all, odd, onlySpace(d)
}

// object decodes one JSON object into v.
func object(b []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	if err := d.Decode(v); err != nil {
		return cut(err)
	}
	return onlySpace(d)
}

func onlySpace(d *json.Decoder) error {
	if _, err := d.Token(); err != io.EOF {
		return errors.New("something follows the JSON")
	}
	return nil
}

// cut says in plain words what an answer that ends too early is.
func cut(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("the JSON is cut short")
	}
	return fmt.Errorf("JSON: %w", err)
}

// wordMax bounds what people may have written into a name, in bytes.
const wordMax = 256

// word is s as we keep it: printable, and not longer than somebody reads.
func word[S ~string](s S) string {
	w := host.Printable(strings.ToValidUTF8(string(s), "�"))
	if len(w) <= wordMax {
		return w
	}
	end := wordMax
	for !utf8.RuneStart(w[end]) {
		end--
	}
	return w[:end] + "…"
}

// words is a list as Proxmox writes tags: separated by any of ; , and space.
func words(s text) []string {
	var all []string
	for _, w := range strings.FieldsFunc(string(s), func(r rune) bool { return strings.ContainsRune(";, \t\n\r", r) }) {
		if len(all) == 100 {
			break
		}
		all = append(all, word(w))
	}
	return all
}
