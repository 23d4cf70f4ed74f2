package s3store

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/railiance/railiance/tools/internal/store"
	"github.com/railiance/railiance/tools/internal/store/storetest"
	"github.com/railiance/railiance/tools/internal/store/storetest/servers"
)

// at is a site on the server, in a bucket of its own, which may be reached
// through a proxy.
func at(t *testing.T, server *servers.S3, lock bool, rule servers.Rule) *Site {
	t.Helper()
	c := Config{Endpoint: server.Endpoint, Bucket: fmt.Sprintf("bucket-%d", time.Now().UnixNano()), Prefix: "guests/", PathStyle: true,
		CA: server.CA, AccessKey: server.AccessKey, SecretKey: server.SecretKey}
	direct, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	if err := direct.core.MakeBucket(context.Background(), c.Bucket, minio.MakeBucketOptions{ObjectLocking: lock}); err != nil {
		t.Fatal(err)
	}
	if rule != nil {
		c.Endpoint = server.Harm(t, rule)
	}
	s, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	s.part, s.pause = 5<<20, time.Millisecond
	return s
}

func TestSite(t *testing.T) {
	server := servers.NewS3(t)
	storetest.RunSite(t, func(t *testing.T) store.Site { return at(t, server, false, nil) })
}

func TestSiteWithObjectLock(t *testing.T) {
	server := servers.NewS3(t)
	storetest.RunSite(t, func(t *testing.T) store.Site { return at(t, server, true, nil) })
}

// uploads are the unfinished uploads that the server keeps.
func uploads(t *testing.T, server *servers.S3, s *Site) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(server.Dir, s.Bucket, ".sgwtmp", "multipart", "*", "*"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(server.Dir, s.Bucket)); err != nil {
		t.Fatal(err)
	}
	return found
}
