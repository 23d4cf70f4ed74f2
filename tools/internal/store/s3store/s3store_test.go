package s3store

import (
	"bytes"
	"context"
	"errors"
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
// through a proxy that does harm.
func at(t *testing.T, server *servers.S3, lock bool, rule servers.Rule, change ...func(*Config)) *Site {
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
	for _, f := range change {
		f(&c)
	}
	s, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	s.spool, s.pause = t.TempDir(), time.Millisecond
	// From the third on they are as those of a huge artifact.
	s.partSize = func(number int) (int, bool) { return partMin, number < 3 }
	return s
}

// partMin is the smallest part that S3 takes, but for the last one.
const partMin = 5 << 20

func TestSite(t *testing.T) {
	server := servers.NewS3(t)
	storetest.RunSite(t, func(t *testing.T) store.Site { return at(t, server, false, nil) })
}

func TestSiteWithObjectLock(t *testing.T) {
	server := servers.NewS3(t)
	storetest.RunSite(t, func(t *testing.T) store.Site { return at(t, server, true, nil) })
}

// guest is the store that the tests put to.
func guest(t *testing.T, s *Site) store.Store {
	t.Helper()
	st, err := s.Store(context.Background(), "vm-1")
	if err != nil {
		t.Fatal(err)
	}
	return st
}

// nothing says that the server holds no artifact of s, whole or begun.
func nothing(t *testing.T, server *servers.S3, s *Site) {
	t.Helper()
	if left := begun(t, server, s); len(left) > 0 {
		t.Errorf("unfinished uploads are left: %q", left)
	}
	files, err := filepath.Glob(filepath.Join(server.Dir, s.Bucket, "guests", "*", "*"))
	if err != nil || len(files) > 0 {
		t.Errorf("artifacts are left: %q, %v", files, err)
	}
}

// begun are the unfinished uploads that the server keeps.
func begun(t *testing.T, server *servers.S3, s *Site) []string {
	t.Helper()
	if _, err := os.Stat(filepath.Join(server.Dir, s.Bucket)); err != nil {
		t.Fatal(err)
	}
	found, err := filepath.Glob(filepath.Join(server.Dir, s.Bucket, ".sgwtmp", "multipart", "*", "*"))
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// What is larger than one request comes back as it was, at every edge.
func TestParts(t *testing.T) {
	server := servers.NewS3(t)
	s := at(t, server, false, nil)
	st := guest(t, s)
	for _, size := range []int64{partMin - 1, partMin, partMin + 1, 2 * partMin, 3*partMin + 7} {
		name := fmt.Sprintf("disks-%d", size)
		if err := storetest.Put(st, name, size); err != nil {
			t.Fatal(err)
		}
		storetest.Same(t, st, name, size)
	}
	if left := begun(t, server, s); len(left) > 0 {
		t.Errorf("unfinished uploads: %q", left)
	}
}

// A run that was killed leaves an upload that no list shows, and a sweep takes.
func TestKilled(t *testing.T) {
	server := servers.NewS3(t)
	s := at(t, server, false, nil)
	st := guest(t, s)
	ctx := context.Background()
	for _, key := range []string{"guests/vm-1/disks", "guests/vm-10/disks", "elsewhere/vm-1/disks"} {
		if _, err := s.core.NewMultipartUpload(ctx, s.Bucket, key, minio.PutObjectOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.core.PutObject(ctx, s.Bucket, "guests/"+probePrefix+"1", bytes.NewReader(nil), 0, "", "", minio.PutObjectOptions{}); err != nil {
		t.Fatal(err)
	}
	if entries, err := st.List(ctx, ""); err != nil || len(entries) > 0 {
		t.Errorf("list: %v, %v", entries, err)
	}
	swept, err := s.Sweep(ctx, "vm-1")
	if err != nil || len(swept) != 1 || swept[0] != "disks" {
		t.Errorf("swept %q, %v", swept, err)
	}
	if left := begun(t, server, s); len(left) != 2 {
		t.Errorf("%d uploads are left, want those of others: %q", len(left), left)
	}
	if _, err := os.Stat(filepath.Join(server.Dir, s.Bucket, "guests", probePrefix+"1")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("what a killed check left is there: %v", err)
	}
}

// What lies in the bucket and is none of ours is not listed.
func TestStrangeKeys(t *testing.T) {
	server := servers.NewS3(t)
	s := at(t, server, false, nil)
	for _, key := range []string{"guests/vm-1/a b", "guests/vm-1/.draft-a", "guests/vm-1/folder/a", "guests/loose", "guests/a b/c", "other/vm-2/a", "guests/vm-1/ours"} {
		if _, err := s.core.PutObject(context.Background(), s.Bucket, key, bytes.NewReader([]byte("x")), 1, "", "", minio.PutObjectOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	entries, err := guest(t, s).List(context.Background(), "")
	if err != nil || len(entries) != 1 || entries[0].Name != "ours" {
		t.Errorf("%v, %v", entries, err)
	}
	if names, err := s.Names(context.Background()); err != nil || len(names) != 1 || names[0] != "vm-1" {
		t.Errorf("%q, %v", names, err)
	}
}
