package davstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/railiance/railiance/tools/internal/store"
	"github.com/railiance/railiance/tools/internal/store/wire"
)

// folder is a store of a Site.
type folder struct {
	*Site
	dir string
}

// stat looks for the artifact or draft called name.
func (f *folder) stat(ctx context.Context, name string) (element, error) {
	all, err := f.propfind(ctx, f.at(f.dir, name), "0")
	if err != nil {
		return element{}, err
	}
	return all[0], nil
}

// Open reads the artifact, over several connections if need be.
func (f *folder) Open(ctx context.Context, name string) (io.ReadCloser, error) {
	if err := store.CheckName(name); err != nil {
		return nil, err
	}
	u := f.at(f.dir, name)
	var first http.Header
	var size int64
	get := func(offset int64) (io.ReadCloser, error) {
		header, want := map[string]string{}, http.StatusOK
		if offset > 0 {
			header["Range"], want = fmt.Sprintf("bytes=%d-", offset), http.StatusPartialContent
		}
		resp, err := f.do(ctx, http.MethodGet, u, header, nil, want)
		if err != nil && !transient(err) {
			err = &wire.Final{Err: err}
		}
		if err != nil {
			return nil, err
		}
		if offset == 0 {
			first, size = resp.Header, resp.ContentLength
		} else if resp.Header.Get("Content-Range") != fmt.Sprintf("bytes %d-%d/%d", offset, size-1, size) || !sameFile(first, resp.Header) {
			_ = resp.Body.Close()
			return nil, &wire.Final{Err: errors.New("the connection broke, and the file that the server has now is another one")}
		}
		return resp.Body, nil
	}
	var body io.ReadCloser
	err := f.try(ctx, func() (err error) { body, err = get(0); return err })
	if missing(err) {
		err = f.instead(ctx, err)
	}
	if err != nil {
		return nil, f.explain(name, err)
	}
	if size < 0 {
		_ = body.Close()
		return nil, f.explain(name, errors.New("the server does not tell its size"))
	}
	r := &wire.Reader{Context: ctx, Size: size, At: get, Pause: f.pause}
	r.First(body)
	return r, nil
}

// sameFile compares what the server said of a file earlier and says now. A tag is
// weak as long as the file is new, and the same one without the W/ later.
func sameFile(before, now http.Header) bool {
	tag := func(h http.Header) string { return strings.TrimPrefix(h.Get("Etag"), "W/") }
	modified := func(h http.Header) string { return h.Get("Last-Modified") }
	return tag(before) == tag(now) && modified(before) == modified(now) && tag(now)+modified(now) != ""
}

// instead looks whether it is the site that is missing, rather than an artifact.
func (f *folder) instead(ctx context.Context, err error) error {
	if _, away := f.propfind(ctx, f.base, "0"); away != nil {
		return f.away(away)
	}
	return err
}

// List returns the artifacts; drafts and folders are not among them.
func (f *folder) List(ctx context.Context, prefix string) ([]store.Entry, error) {
	all, err := f.propfind(ctx, f.at(f.dir), "1")
	if missing(err) {
		if err = f.instead(ctx, err); missing(err) {
			return nil, nil // nothing was put yet
		}
	}
	if err != nil {
		return nil, f.explain("list "+f.dir, err)
	}
	var entries []store.Entry
	for _, e := range all {
		if e.folder || !strings.HasPrefix(e.name, prefix) || store.CheckName(e.name) != nil {
			continue
		}
		entries = append(entries, store.Entry{Name: e.name, Size: e.size, Modified: e.modified})
	}
	slices.SortFunc(entries, func(a, b store.Entry) int { return strings.Compare(a.Name, b.Name) })
	return entries, nil
}

// Remove removes the artifact. A server with a trash keeps it there for a while.
func (f *folder) Remove(ctx context.Context, name string) error {
	if err := store.CheckName(name); err != nil {
		return err
	}
	err := f.remove(ctx, f.at(f.dir, name))
	if missing(err) {
		err = f.instead(ctx, err)
	}
	return f.explain(name, err)
}

// Put sends a draft, looks at it, and moves it to its name.
func (f *folder) Put(ctx context.Context, name string, write func(io.Writer) error) (err error) {
	if err := store.CheckName(name); err != nil {
		return err
	}
	if err := f.makeFolder(ctx, f.at(f.dir), 0); err != nil {
		return f.explain("make the folder "+f.dir, err)
	}
	if err := f.free(ctx, name); err != nil {
		return f.explain(name, err)
	}
	u := f.upload(ctx, name)
	defer u.abort()
	if err := write(u); err != nil {
		return err
	}
	if err := u.finish(); err != nil {
		return f.explain(name, err)
	}
	draft, err := f.stat(ctx, u.draft)
	if missing(err) {
		draft, err = element{}, nil
	}
	if err != nil {
		return f.explain(name, err)
	}
	if draft.size != u.total {
		return f.explain(name, &short{u.total, draft.size})
	}
	return f.explain(name, f.publish(ctx, u))
}

// free says whether the name can be given.
func (f *folder) free(ctx context.Context, name string) error {
	_, err := f.stat(ctx, name)
	switch {
	case err == nil:
		return fs.ErrExist
	case missing(err):
		return nil
	}
	return err
}

// short is an artifact that arrived in part.
type short struct{ sent, there int64 }

func (s *short) Error() string {
	return "of " + strconv.FormatInt(s.sent, 10) + " bytes that were sent the server has " + strconv.FormatInt(s.there, 10)
}
