package helmrelease

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// ErrExpired is wrapped when the API answers that a continue token is too old
// (410 Gone): what was read so far belongs to a state that cannot be finished,
// and the list has to be read again from its start.
var ErrExpired = errors.New("the list expired while it was read (410 gone)")

// Read reads one list of Secrets or ConfigMaps as the API gives it (SecretList,
// ConfigMapList) or as kubectl wraps it (List), and calls fn with each object
// in turn. One object is in memory at a time. A release that cannot be decoded
// is given to fn as a Problem and the rest is read on.
//
// It returns the token with which the next page is asked for, empty on the last
// page. An error means that the list itself is not whole, or is fn's own; what
// fn was given before is then not a full picture.
func Read(r io.Reader, fn func(Item) error) (string, error) {
	limit := &allowance{r: r, left: maxObject}
	l := &list{dec: json.NewDecoder(limit), limit: limit, fn: fn}
	if err := l.read(); err != nil {
		return "", err
	}
	return l.meta.Continue, nil
}

type list struct {
	dec   *json.Decoder
	limit *allowance
	fn    func(Item) error

	kind   string
	meta   struct{ Continue string }
	items  bool
	status struct {
		Message, Reason string
		Code            int
	}
}

func (l *list) read() error {
	if err := l.delim('{'); err != nil {
		return err
	}
	for l.dec.More() {
		key, err := l.dec.Token()
		if err != nil {
			return broken(err)
		}
		switch key {
		case "kind":
			err = l.field(&l.kind)
		case "metadata":
			err = l.field(&l.meta)
		case "message":
			err = l.field(&l.status.Message)
		case "reason":
			err = l.field(&l.status.Reason)
		case "code":
			err = l.field(&l.status.Code)
		case "items":
			err = l.readItems()
		default:
			var skipped json.RawMessage
			err = l.field(&skipped)
		}
		if err != nil {
			return err
		}
	}
	if err := l.delim('}'); err != nil {
		return err
	}
	if _, err := l.dec.Token(); err != io.EOF {
		return errors.New("list of releases: something follows the list")
	}
	return l.verdict()
}

func (l *list) verdict() error {
	if l.kind == "Status" {
		err := fmt.Errorf("the API answered %d %.50q: %.300q", l.status.Code, l.status.Reason, l.status.Message)
		if l.status.Code == 410 {
			err = fmt.Errorf("%w: %w", ErrExpired, err)
		}
		return fmt.Errorf("list of releases: %w", err)
	}
	if _, ok := kindOfList(l.kind); !ok {
		return fmt.Errorf("list of releases: kind %.50q is not a list of Secrets or ConfigMaps", l.kind)
	}
	if !l.items {
		return errors.New("list of releases: it has no items field")
	}
	return nil
}

// kindOfList tells the kind of the items of a typed list, whose items do not
// name their own; "" where they do.
func kindOfList(s string) (Kind, bool) {
	switch s {
	case "SecretList":
		return Secret, true
	case "ConfigMapList":
		return ConfigMap, true
	case "List":
		return "", true
	}
	return "", false
}

func (l *list) readItems() error {
	if l.items {
		return errors.New("list of releases: it has two items fields")
	}
	l.items = true
	switch tok, err := l.dec.Token(); {
	case err != nil:
		return broken(err)
	case tok == nil: // an empty list of a Go program may be null
		return nil
	case tok != json.Delim('['):
		return errors.New("list of releases: items is not an array")
	}
	for l.dec.More() {
		var o object
		l.limit.left = maxObject
		err := l.dec.Decode(&o)
		var wrong *json.UnmarshalTypeError
		if err != nil && !errors.As(err, &wrong) {
			return broken(err)
		}
		item := o.item(l.kind)
		if wrong != nil {
			// The decoder stands behind the object: one odd object is no reason
			// to lose the others.
			item = Item{Problem: o.problem(l.kind, fmt.Errorf("json: %w", blind(wrong)))}
		}
		if err := l.fn(item); err != nil {
			return err
		}
	}
	l.limit.left = maxObject
	return l.delim(']')
}

func (l *list) field(v any) error {
	l.limit.left = maxObject
	if err := l.dec.Decode(v); err != nil {
		return broken(err)
	}
	return nil
}

func (l *list) delim(want json.Delim) error {
	tok, err := l.dec.Token()
	if err != nil {
		return broken(err)
	}
	if tok != want {
		return fmt.Errorf("list of releases: want %q: this is not a list", want.String())
	}
	return nil
}

func broken(err error) error {
	if errors.Is(err, errTooLarge) {
		return fmt.Errorf("list of releases: %w", err)
	}
	var syntax *json.SyntaxError
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &syntax) || errors.As(err, &wrong) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("list of releases: json: %w", blind(err))
	}
	return fmt.Errorf("list of releases: read: %w", err)
}
