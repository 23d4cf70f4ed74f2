package drill

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"

	"github.com/railiance/railiance/tools/internal/host"
)

// api asks the server inside through k3s's own kubectl, streaming: a list may
// be larger than memory.
type api struct {
	env []string
	tmp string // a private folder
}

func (e *engine) api() api { return api{e.env(), e.path("tmp")} }

// get gives the answer to use. An answer that ends early is an error of get.
func (a api) get(ctx context.Context, path string, use func(io.Reader) error) error {
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	return host.Read(ctx, host.Command{Args: []string{"k3s", "kubectl", "get", "--raw", path}, Env: a.env, Bare: true}, use)
}

const pageSize = 500 // objects

// each calls fn with every object of a list, however many pages it has.
func each[T any](ctx context.Context, a api, path string, fn func(T) error) error {
	next := ""
	for {
		query := url.Values{"limit": {fmt.Sprint(pageSize)}}
		if next != "" {
			query.Set("continue", next)
		}
		before := next
		err := a.get(ctx, path+"?"+query.Encode(), func(r io.Reader) (err error) {
			next, err = page(r, fn)
			return err
		})
		if err != nil || next == "" {
			return err
		}
		if next == before {
			return fmt.Errorf("%s: its pages have no end", path)
		}
	}
}

// page reads one page of a list, an object at a time, and returns the token
// that asks for the next one.
func page[T any](r io.Reader, fn func(T) error) (next string, err error) {
	d := json.NewDecoder(r)
	if err := expect(d, '{'); err != nil {
		return "", err
	}
	listed := false
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return "", err
		}
		switch key {
		case "items":
			listed = true
			err = items(d, fn)
		case "metadata":
			var metadata struct{ Continue string }
			err = d.Decode(&metadata)
			next = metadata.Continue
		default:
			err = d.Decode(new(json.RawMessage))
		}
		if err != nil {
			return "", fmt.Errorf("list: %w", err)
		}
	}
	if err := expect(d, '}'); err != nil {
		return "", err
	}
	if !listed {
		return "", errors.New("list: it has no items")
	}
	return next, nil
}

func items[T any](d *json.Decoder, fn func(T) error) error {
	first, err := d.Token()
	if err != nil || first == nil { // null: an empty list
		return err
	}
	if first != json.Delim('[') {
		return errors.New("its items are not a list")
	}
	for d.More() {
		var item T
		if err := d.Decode(&item); err != nil {
			return err
		}
		if err := fn(item); err != nil {
			return err
		}
	}
	return expect(d, ']')
}

func expect(d *json.Decoder, want json.Delim) error {
	got, err := d.Token()
	if err != nil {
		return fmt.Errorf("list: %w", err)
	}
	if got != want {
		return fmt.Errorf("list: %v where %v should stand", got, want)
	}
	return nil
}
