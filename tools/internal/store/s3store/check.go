package s3store

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/minio/minio-go/v7"

	"github.com/railiance/railiance/tools/internal/store"
	"github.com/railiance/railiance/tools/internal/tell"
)

const probePrefix = store.DraftPrefix + "check-"

// Check asks whether the bucket is there, may be written, and refuses to replace
// what it has: the last two once, and by writing. Room is nothing that S3 tells.
func (s *Site) Check(ctx context.Context, _ int64) error {
	if err := s.reach(ctx); err != nil {
		return s.explain("list", err)
	}
	if s.wrote.Load() {
		return nil
	}
	locks, err := s.locks(ctx)
	if err != nil {
		return err
	}
	if s.Retain > 0 && !locks {
		err := fmt.Errorf("store: %s: artifacts are to be locked, and the bucket has no Object Lock", s.Where())
		return tell.Hint(err, "Object Lock is switched on when a bucket is made: make another one")
	}
	if locks {
		// What was written could not be removed again. An upload can, and nothing
		// that is locked can be replaced.
		err = s.begin(ctx)
	} else {
		err = s.probe(ctx)
	}
	s.wrote.Store(err == nil)
	return err
}

// reach lists as little as can be.
func (s *Site) reach(ctx context.Context) error {
	return s.try(ctx, func() error {
		for o := range s.core.ListObjectsIter(ctx, s.Bucket, minio.ListObjectsOptions{Prefix: s.Prefix, MaxKeys: 1}) {
			return o.Err
		}
		return ctx.Err()
	})
}

// locks says whether the bucket has Object Lock. Where the service does not say,
// it has none, or the bucket is not ours to ask.
func (s *Site) locks(ctx context.Context) (bool, error) {
	var enabled string
	err := s.try(ctx, func() (err error) {
		enabled, _, _, _, err = s.core.GetObjectLockConfig(ctx, s.Bucket)
		return err
	})
	if _, answered := reply(err); err != nil && (!answered || transient(err)) {
		return false, s.explain("ask for Object Lock", err)
	}
	return err == nil && enabled == "Enabled", nil
}

// begin begins an upload and gives it up.
func (s *Site) begin(ctx context.Context) error {
	key := s.Prefix + probePrefix + rand.Text()
	var id string
	err := s.try(ctx, func() (err error) {
		id, err = s.core.NewMultipartUpload(ctx, s.Bucket, key, minio.PutObjectOptions{})
		return err
	})
	if err == nil {
		err = s.try(ctx, func() error { return s.core.AbortMultipartUpload(ctx, s.Bucket, key, id) })
	}
	if err != nil {
		return s.explain("write", err)
	}
	return nil
}

// probe writes a draft twice: the second time must be refused.
func (s *Site) probe(ctx context.Context) error {
	s.probing.Lock() // a Sweep of this run would take the draft away between
	defer s.probing.Unlock()
	key := s.Prefix + probePrefix + rand.Text()
	sum := sha256.Sum256([]byte("x"))
	put := func() error {
		var opts minio.PutObjectOptions
		opts.SetMatchETagExcept("*")
		_, err := s.core.PutObject(ctx, s.Bucket, key, strings.NewReader("x"), 1, "", hex.EncodeToString(sum[:]), opts)
		return err
	}
	if err := s.try(ctx, put); err != nil && code(err) != minio.PreconditionFailed {
		return s.explain("write", err)
	}
	err := s.try(ctx, put)
	switch {
	case err == nil:
		err = fmt.Errorf("store: %s: the service replaces what it was told not to replace", s.Where())
		err = tell.Hint(err, "take a service that knows If-None-Match, as Amazon S3, Ceph, MinIO and versitygw do")
	case code(err) == minio.PreconditionFailed:
		err = nil
	default:
		err = s.explain("write", err)
	}
	gone := s.try(ctx, func() error { return s.core.RemoveObject(ctx, s.Bucket, key, minio.RemoveObjectOptions{}) })
	if gone != nil {
		gone = s.explain("remove", gone)
	}
	return errors.Join(err, gone)
}

// sweepProbes removes what a Check left that was killed.
func (s *Site) sweepProbes(ctx context.Context) error {
	s.probing.Lock()
	defer s.probing.Unlock()
	var keys []string
	err := s.list(ctx, s.Prefix+probePrefix, func(o minio.ObjectInfo) { keys = append(keys, o.Key) })
	if err != nil {
		return err
	}
	for _, key := range keys {
		if err := s.core.RemoveObject(ctx, s.Bucket, key, minio.RemoveObjectOptions{}); err != nil {
			return s.explain("remove", err)
		}
	}
	return nil
}
