package s3store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"slices"
	"strings"

	"github.com/minio/minio-go/v7"

	"github.com/railiance/railiance/tools/internal/store"
	"github.com/railiance/railiance/tools/internal/store/wire"
)

// bucket is a store of a Site: the keys that begin with prefix.
type bucket struct {
	*Site
	prefix string
}

// Put sends the artifact in parts, and gives it its name last of all.
func (b *bucket) Put(ctx context.Context, name string, write func(io.Writer) error) error {
	if err := store.CheckName(name); err != nil {
		return err
	}
	// Before hours of upload rather than after. What decides is the last request.
	if _, err := b.stat(ctx, name); err == nil {
		return fmt.Errorf("store: %s: %w", name, fs.ErrExist)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	u := b.upload(ctx, name)
	defer u.abort()
	if err := write(u); err != nil {
		return err
	}
	return u.commit()
}

func (b *bucket) stat(ctx context.Context, name string) (info minio.ObjectInfo, err error) {
	err = b.try(ctx, func() error {
		info, err = b.core.StatObject(ctx, b.Bucket, b.prefix+name, minio.StatObjectOptions{})
		return err
	})
	if r, _ := reply(err); r.StatusCode == http.StatusForbidden || r.StatusCode == http.StatusBadRequest {
		// To HEAD a service cannot say why. To a listing it can.
		if why := b.reach(ctx); why != nil {
			err = why
		}
	}
	if err != nil {
		err = b.explain(name, err)
	}
	return info, err
}

// Open reads the artifact, over several connections if need be.
func (b *bucket) Open(ctx context.Context, name string) (io.ReadCloser, error) {
	if err := store.CheckName(name); err != nil {
		return nil, err
	}
	var info minio.ObjectInfo
	get := func(offset int64) (io.ReadCloser, error) {
		var opts minio.GetObjectOptions
		if offset > 0 {
			err := errors.Join(opts.SetRange(offset, 0), opts.SetMatchETag(info.ETag))
			if err != nil {
				return nil, err
			}
		}
		body, got, _, err := b.core.GetObject(ctx, b.Bucket, b.prefix+name, opts)
		if err != nil {
			err = b.explain(name, err)
			if !transient(err) {
				err = &wire.Final{Err: err}
			}
			return nil, err
		}
		if offset == 0 {
			info = got
		} else if got.Size != info.Size-offset {
			_ = body.Close()
			return nil, &wire.Final{Err: fmt.Errorf("store: %s: the server was asked for the rest, and sends %d bytes of %d", name, got.Size, info.Size-offset)}
		}
		return body, nil
	}
	var body io.ReadCloser
	err := b.try(ctx, func() (err error) { body, err = get(0); return err })
	if err != nil {
		return nil, err
	}
	r := &wire.Reader{Context: ctx, Size: info.Size, At: get, Pause: b.pause}
	r.First(body)
	return r, nil
}

// List returns the artifacts; what else lies in the bucket is not among them.
func (b *bucket) List(ctx context.Context, prefix string) ([]store.Entry, error) {
	var entries []store.Entry
	err := b.list(ctx, b.prefix+prefix, func(o minio.ObjectInfo) {
		if name := strings.TrimPrefix(o.Key, b.prefix); store.CheckName(name) == nil {
			entries = append(entries, store.Entry{Name: name, Size: o.Size, Modified: o.LastModified})
		}
	})
	slices.SortFunc(entries, func(x, y store.Entry) int { return strings.Compare(x.Name, y.Name) })
	return entries, err
}

// Remove removes the artifact for good where it may. What Object Lock keeps is
// hidden, so that it is not listed any more; the bucket's lifecycle rules take
// it when its time is over.
func (b *bucket) Remove(ctx context.Context, name string) error {
	if err := store.CheckName(name); err != nil {
		return err
	}
	info, err := b.stat(ctx, name)
	if err != nil {
		return err
	}
	if info.VersionID != "" {
		err := b.try(ctx, func() error { return b.remove(ctx, name, info.VersionID) })
		if err != nil && transient(err) {
			return b.explain(name, err)
		}
		// It was kept, or there was another one below it.
		if _, err := b.stat(ctx, name); errors.Is(err, fs.ErrNotExist) {
			return nil
		}
	}
	err = b.try(ctx, func() error { return b.remove(ctx, name, "") })
	if err != nil {
		return b.explain(name, err)
	}
	return nil
}

func (b *bucket) remove(ctx context.Context, name, version string) error {
	return b.core.RemoveObject(ctx, b.Bucket, b.prefix+name, minio.RemoveObjectOptions{VersionID: version})
}
