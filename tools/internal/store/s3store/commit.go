package s3store

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io/fs"

	"github.com/minio/minio-go/v7"

	"github.com/railiance/railiance/tools/internal/store/wire"
)

// commit gives the artifact its name, if that is free.
func (u *upload) commit() error {
	send := u.whole
	if u.id != "" {
		if u.filling.length > 0 {
			if err := u.ship(); err != nil {
				return u.why(err)
			}
		}
		if err := u.land(); err != nil {
			return u.why(err)
		}
		send = u.complete
	} else {
		u.total = int64(u.filling.length)
	}
	if u.ctx.Err() != nil {
		return context.Cause(u.ctx)
	}
	ctx, end := wire.Linger(u.ctx)
	defer end()
	err := u.try(u.ctx, func() error { return send(ctx) })
	if u.ctx.Err() != nil {
		return u.undo(context.Cause(u.ctx))
	}
	// An answer may be lost, and the second try be told that the name is taken,
	// by us: only the artifact itself says whose it is.
	info, statErr := u.stat(u.ctx, u.name)
	switch {
	case statErr == nil && info.UserMetadata[tokenHeader] != u.token && err == nil:
		return fmt.Errorf("store: %s: another one was put in its place: does the service know conditional writes?", u.name)
	case statErr == nil && info.UserMetadata[tokenHeader] != u.token:
		return fmt.Errorf("store: %s: %w", u.name, fs.ErrExist)
	case statErr == nil && info.Size != u.total:
		return u.undo(fmt.Errorf("store: %s: %d bytes were sent, and the server has %d", u.name, u.total, info.Size))
	case statErr == nil:
		u.over = true
		return nil
	case err != nil:
		return u.explain(u.name, err)
	}
	return fmt.Errorf("store: %s: was sent, and cannot be seen: %w", u.name, statErr)
}

// whole sends what fits into one request.
func (u *upload) whole(ctx context.Context) error {
	sum, err := u.filling.sha256()
	if err != nil {
		return err
	}
	opts := u.options(base64.StdEncoding.EncodeToString(sum[:]))
	opts.SetMatchETagExcept("*")
	_, err = u.core.PutObject(ctx, u.Bucket, u.key(), u.filling.body(), u.total, "", hex.EncodeToString(sum[:]), opts)
	return err
}

func (u *upload) complete(ctx context.Context) error {
	var opts minio.PutObjectOptions
	opts.SetMatchETagExcept("*")
	_, err := u.core.CompleteMultipartUpload(ctx, u.Bucket, u.key(), u.id, u.parts, opts)
	return err
}
