package s3store

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/minio/minio-go/v7"
)

// upload is an artifact on its way. While a part is being sent the next one is
// being filled.
type upload struct {
	*bucket
	name  string
	token string // tells our artifact from another's of that name
	ctx   context.Context
	stop  context.CancelFunc

	id      string // empty: all of it still fits into the first part
	filling *part
	sending *part // nil: none was sent yet
	parts   []minio.CompletePart
	sent    chan error // nil: nothing is on its way
	total   int64
	over    bool // committed, or given up
}

const tokenHeader = "Railiance-Put"

func (b *bucket) upload(ctx context.Context, name string) *upload {
	ctx, stop := context.WithCancel(ctx)
	size, _ := b.partSize(1)
	return &upload{bucket: b, name: name, token: rand.Text(), ctx: ctx, stop: stop, filling: &part{dir: b.spool, size: size}}
}

func (u *upload) Write(p []byte) (int, error) {
	written := 0
	for len(p) > 0 {
		if u.ctx.Err() != nil {
			return written, context.Cause(u.ctx)
		}
		n, err := u.filling.fill(p)
		p, written = p[n:], written+n
		if err != nil {
			return written, err
		}
		if u.filling.full() {
			if err := u.ship(); err != nil {
				return written, u.why(err)
			}
		}
	}
	return written, nil
}

// why is the reason that the run was stopped for, if it was, and else err.
func (u *upload) why(err error) error {
	if u.ctx.Err() != nil {
		return context.Cause(u.ctx)
	}
	return err
}

// ship sends the part that is full, as soon as the one before has arrived.
func (u *upload) ship() error {
	if u.id == "" {
		err := u.try(u.ctx, func() (err error) {
			u.id, err = u.core.NewMultipartUpload(u.ctx, u.Bucket, u.key(), u.options(""))
			return err
		})
		if err != nil {
			return u.explain(u.name, err)
		}
	}
	if err := u.land(); err != nil {
		return err
	}
	if len(u.parts) == partsMax {
		return fmt.Errorf("store: %s: is larger than the %d bytes that can be sent in %d parts", u.name, u.total, partsMax)
	}
	u.total += int64(u.filling.length)
	u.parts = append(u.parts, minio.CompletePart{PartNumber: len(u.parts) + 1})
	full, last := u.filling, &u.parts[len(u.parts)-1]
	u.sent = make(chan error, 1)
	go func() { u.sent <- u.send(full, last) }()
	if u.sending == nil {
		u.sending = &part{dir: u.spool}
	}
	u.filling, u.sending = u.sending, full
	u.filling.begin(u.partSize(len(u.parts) + 1))
	return nil
}

func (u *upload) send(full *part, p *minio.CompletePart) error {
	sum, err := full.sha256()
	if err != nil {
		return fmt.Errorf("store: %s: part %d: %w", u.name, p.PartNumber, err)
	}
	opts := minio.PutObjectPartOptions{Sha256Hex: hex.EncodeToString(sum[:]), CustomHeader: map[string][]string{}}
	p.ChecksumSHA256 = base64.StdEncoding.EncodeToString(sum[:])
	opts.CustomHeader.Set("X-Amz-Checksum-Sha256", p.ChecksumSHA256)
	err = u.try(u.ctx, func() error {
		got, err := u.core.PutObjectPart(u.ctx, u.Bucket, u.key(), u.id, p.PartNumber, full.body(), int64(full.length), opts)
		p.ETag = got.ETag
		return err
	})
	if err != nil {
		return u.explain(fmt.Sprintf("%s: part %d", u.name, p.PartNumber), err)
	}
	return nil
}

// land waits for the part that is on its way.
func (u *upload) land() error {
	if u.sent == nil {
		return nil
	}
	err := <-u.sent
	u.sent = nil
	return err
}

// options are what S3 is to keep with the artifact; sum is the SHA-256 of all of
// it, or empty if it comes in parts.
func (u *upload) options(sum string) minio.PutObjectOptions {
	o := minio.PutObjectOptions{UserMetadata: map[string]string{tokenHeader: u.token}}
	if sum != "" {
		o.UserMetadata["X-Amz-Checksum-Sha256"] = sum
	} else {
		o.UserMetadata["X-Amz-Checksum-Algorithm"] = "SHA256"
	}
	if u.Retain > 0 {
		o.Mode, o.RetainUntilDate = minio.Governance, time.Now().Add(u.Retain)
	}
	return o
}

func (u *upload) key() string { return u.prefix + u.name }

// undo takes back what may have got its name. Of another's it takes nothing.
func (u *upload) undo(cause error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(u.ctx), abortWithin)
	defer cancel()
	info, err := u.stat(ctx, u.name)
	if errors.Is(err, fs.ErrNotExist) {
		return cause
	}
	if err == nil && info.UserMetadata[tokenHeader] == u.token {
		err = u.Remove(ctx, u.name)
	}
	return errors.Join(cause, err)
}

// abortWithin is how long a run that fails may take to clean up.
const abortWithin = 30 * time.Second

// abort takes back what was sent, unless it was committed. What it cannot reach
// a later Sweep does.
func (u *upload) abort() {
	u.stop()
	_ = u.land()
	u.filling.close()
	if u.sending != nil {
		u.sending.close()
	}
	if u.over || u.id == "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(u.ctx), abortWithin)
	defer cancel()
	_ = u.try(ctx, func() error { return u.core.AbortMultipartUpload(ctx, u.Bucket, u.key(), u.id) })
}
