package helmrelease

import (
	"errors"
	"fmt"
	"io"
	"net/url"
	"strconv"
)

// pageSize is how many objects are asked for at once: at a megabyte each a page
// of these is bearable for the API server, and a cluster of ordinary size needs
// one or two calls.
const pageSize = 100

// maxPages ends a list that never does. It is a million objects.
const maxPages = 10_000

// Path is what `kubectl get --raw` takes to read one page of all release
// objects of the given kind in all namespaces; next is the token that the page
// before ended with, empty for the first.
//
// --raw is chosen over `kubectl get -o json`: the latter collects all pages,
// decodes them and prints them anew, several times the size of all releases in
// memory, where --raw copies the answer through.
func Path(kind Kind, next string) string {
	resource := "secrets"
	if kind == ConfigMap {
		resource = "configmaps"
	}
	q := url.Values{"labelSelector": {"owner=helm"}, "limit": {strconv.Itoa(pageSize)}}
	if next != "" {
		q.Set("continue", next)
	}
	return "/api/v1/" + resource + "?" + q.Encode()
}

// List reads every release of a cluster: all pages of Secrets, then all of
// ConfigMaps. get fetches the path and gives the body to use; it returns use's
// error, or its own.
//
// All pages of a kind show the cluster at the moment of the first one. Should
// the API forget that moment meanwhile (410 Gone: by default after five
// minutes), get fails or the error wraps ErrExpired; either way List has to be
// called anew, and what fn was given so far thrown away.
func List(get func(path string, use func(body io.Reader) error) error, fn func(Item) error) error {
	for _, kind := range []Kind{Secret, ConfigMap} {
		if err := listKind(kind, get, fn); err != nil {
			return err
		}
	}
	return nil
}

func listKind(kind Kind, get func(string, func(io.Reader) error) error, fn func(Item) error) error {
	next := ""
	for range maxPages {
		before := next
		err := get(Path(kind, next), func(body io.Reader) error {
			var err error
			next, err = Read(body, fn)
			// The rest is read even of a refused page: a child that is left with
			// a full pipe reports that instead of the reason.
			_, _ = io.Copy(io.Discard, body)
			return err
		})
		switch {
		case err != nil:
			return fmt.Errorf("%ss: %w", kind, err)
		case next == "":
			return nil
		case next == before:
			return fmt.Errorf("%ss: the API gave the same page twice", kind)
		}
	}
	return errors.New("the list of releases has no end")
}
