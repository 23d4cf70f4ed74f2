// Package s3store keeps artifacts in a bucket of an S3 service. The one thing to
// know: a name is given by a conditional request at the very end, so of two
// writers one wins, and what was not finished is an upload that no list shows.
// Memory is two parts of 8 MiB for each artifact that is being written, whatever
// its size: larger ones go through the disk.
package s3store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/railiance/railiance/tools/internal/store"
	"github.com/railiance/railiance/tools/internal/store/wire"
)

// Config is where a site is and how to be let in.
type Config struct {
	Endpoint     string // https://host[:port]
	Bucket       string
	Region       string // empty: us-east-1, as most services that are not Amazon's want it
	Prefix       string // before every key; a "/" at its end makes it a folder
	PathStyle    bool   // the bucket is in the path, not in the host
	CA           string // file of the certificates to trust; empty: the system's
	AccessKey    string
	SecretKey    string
	SessionToken string // empty: none
	// Retain is how long Object Lock is to keep each artifact from being
	// removed, by anybody without the right to bypass governance. 0 leaves it to
	// the default of the bucket.
	Retain time.Duration

	stall time.Duration // 0: as wire has it
}

// Site is a site in a bucket.
type Site struct {
	Config
	core  minio.Core
	clock *clock
	wrote atomic.Bool // a Check has written: the next ones only look
	// probing is held by who writes a probe, or takes those away that were left.
	probing sync.Mutex
	spool   string // a folder on a disk, for parts that are too large for memory
	// What tests make smaller.
	partSize func(number int) (bytes int, inMemory bool)
	pause    time.Duration // before a second try
}

// New returns the site that c describes. It reaches for nothing.
func New(c Config) (*Site, error) {
	u, err := url.Parse(c.Endpoint)
	if err != nil || u.Scheme != "https" || u.Host == "" || strings.Trim(u.Path, "/") != "" {
		return nil, fmt.Errorf("store: %q is no https://host of an S3 service", c.Endpoint)
	}
	if bad := strings.ContainsFunc(c.Prefix, func(r rune) bool { return r <= ' ' || r > '~' }); bad || strings.HasPrefix(c.Prefix, "/") ||
		slices.Contains(strings.Split(c.Prefix, "/"), "..") || len(c.Prefix) > 300 {
		return nil, fmt.Errorf("store: %q cannot be a prefix of names", c.Prefix)
	}
	if c.Region == "" {
		c.Region = "us-east-1"
	}
	next, err := wire.New(c.CA, cmp.Or(c.stall, wire.Stall))
	if err != nil {
		return nil, fmt.Errorf("store: %s: %w", c.Endpoint, err)
	}
	lookup := minio.BucketLookupDNS
	if c.PathStyle {
		lookup = minio.BucketLookupPath
	}
	s := &Site{Config: c, clock: &clock{next: next}, spool: "/var/tmp", partSize: partSize, pause: time.Second}
	client, err := minio.New(u.Host, &minio.Options{
		Creds:        credentials.NewStaticV4(c.AccessKey, c.SecretKey, c.SessionToken),
		Secure:       true,
		Region:       c.Region,
		BucketLookup: lookup,
		Transport:    s.clock,
		MaxRetries:   1, // we try again ourselves: longer, and knowing what was tried
	})
	if err != nil {
		return nil, fmt.Errorf("store: %s: %w", c.Endpoint, err)
	}
	s.core = minio.Core{Client: client}
	return s, nil
}

// Where is the bucket and what is before its keys.
func (s *Site) Where() string {
	return strings.TrimSuffix(s.Endpoint, "/") + "/" + s.Bucket + "/" + s.Prefix
}

// Store returns the store whose keys begin with name and a slash.
func (s *Site) Store(_ context.Context, name string) (store.Store, error) {
	if err := store.CheckName(name); err != nil {
		return nil, err
	}
	return &bucket{s, s.Prefix + name + "/"}, nil
}

// Names returns the folders that keys are in.
func (s *Site) Names(ctx context.Context) ([]string, error) {
	var names []string
	err := s.list(ctx, s.Prefix, func(o minio.ObjectInfo) {
		name, folder := strings.CutSuffix(strings.TrimPrefix(o.Key, s.Prefix), "/")
		if folder && store.CheckName(name) == nil {
			names = append(names, name)
		}
	})
	slices.Sort(names)
	return slices.Compact(names), err
}

// listMax bounds, in keys, what a server can make us remember.
const listMax = 1_000_000

// list calls each for every key that begins with prefix, and once for every
// folder below it.
func (s *Site) list(ctx context.Context, prefix string, each func(minio.ObjectInfo)) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var all []minio.ObjectInfo
	err := s.try(ctx, func() error {
		all = all[:0]
		for o := range s.core.ListObjectsIter(ctx, s.Bucket, minio.ListObjectsOptions{Prefix: prefix, MaxKeys: 1000}) {
			if o.Err != nil {
				return o.Err
			}
			if len(all) == listMax {
				return fmt.Errorf("there are more than %d keys", listMax)
			}
			// Only what is told: the rest of a hostile reply is not kept.
			all = append(all, minio.ObjectInfo{Key: o.Key, Size: o.Size, LastModified: o.LastModified})
		}
		return ctx.Err()
	})
	if err != nil {
		return s.explain("list", err)
	}
	for _, o := range all {
		if strings.HasPrefix(o.Key, prefix) {
			each(o)
		}
	}
	return nil
}

// Sweep aborts the uploads that nobody finished.
func (s *Site) Sweep(ctx context.Context, name string) ([]string, error) {
	if err := store.CheckName(name); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // ends the listing when we leave early
	prefix := s.Prefix + name + "/"
	var swept []string
	for u := range s.core.ListIncompleteUploads(ctx, s.Bucket, prefix, true) {
		if u.Err != nil {
			return swept, s.explain("list unfinished uploads", u.Err)
		}
		artifact, ours := strings.CutPrefix(u.Key, prefix)
		if !ours || store.CheckName(artifact) != nil {
			continue
		}
		err := s.try(ctx, func() error { return s.core.AbortMultipartUpload(ctx, s.Bucket, u.Key, u.UploadID) })
		if err != nil && code(err) != minio.NoSuchUpload {
			return swept, s.explain("abort an unfinished upload", err)
		}
		swept = append(swept, artifact)
	}
	return swept, errors.Join(ctx.Err(), s.sweepProbes(ctx))
}

// clock notes how far the server's clock is from ours.
type clock struct {
	next  http.RoundTripper
	ahead atomic.Int64 // nanoseconds
}

func (c *clock) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := c.next.RoundTrip(req)
	if err == nil {
		if date, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
			c.ahead.Store(int64(time.Until(date)))
		}
	}
	return resp, err
}
