package s3store

import (
	"context"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/railiance/railiance/tools/internal/store/storetest"
	"github.com/railiance/railiance/tools/internal/store/storetest/servers"
	"github.com/railiance/railiance/tools/internal/tell"
)

// versions are what the bucket still keeps under the name, hidden or not, but
// for marks that hide.
func versions(t *testing.T, s *Site, name string) []minio.ObjectInfo {
	t.Helper()
	var all []minio.ObjectInfo
	for o := range s.core.ListObjectsIter(context.Background(), s.Bucket, minio.ListObjectsOptions{Prefix: "guests/vm-1/" + name, WithVersions: true}) {
		if o.Err != nil {
			t.Fatal(o.Err)
		}
		if !o.IsDeleteMarker {
			all = append(all, o)
		}
	}
	return all
}

// What Object Lock keeps is hidden by a removal, and still there: whoever has
// stolen the credentials cannot take it away. What it does not keep is gone.
func TestObjectLock(t *testing.T) {
	server := servers.NewS3(t)
	ctx := context.Background()
	for name, test := range map[string]struct {
		retain time.Duration
		size   int64
		kept   int
	}{
		"locked, small":     {time.Hour, 1000, 1},
		"locked, in parts":  {time.Hour, partMin + 1, 1},
		"not locked, small": {0, 1000, 0},
	} {
		t.Run(name, func(t *testing.T) {
			s := at(t, server, true, nil, func(c *Config) { c.Retain = test.retain })
			if err := s.Check(ctx, 0); err != nil {
				t.Fatal(err)
			}
			st := guest(t, s)
			if err := storetest.Put(st, "disks", test.size); err != nil {
				t.Fatal(err)
			}
			for _, o := range versions(t, s, "disks") {
				info, err := s.core.StatObject(ctx, s.Bucket, o.Key, minio.StatObjectOptions{VersionID: o.VersionID})
				if err != nil {
					t.Fatal(err)
				}
				until, _ := time.Parse(time.RFC3339, info.Metadata.Get("X-Amz-Object-Lock-Retain-Until-Date"))
				locked := info.Metadata.Get("X-Amz-Object-Lock-Mode") == "GOVERNANCE" && time.Until(until) > test.retain-time.Minute
				if locked != (test.kept > 0) {
					t.Errorf("retention: %v", info.Metadata)
				}
			}
			if err := storetest.Put(st, "disks", test.size); err == nil {
				t.Error("the name was given twice")
			}
			if err := st.Remove(ctx, "disks"); err != nil {
				t.Fatal(err)
			}
			if entries, err := st.List(ctx, ""); err != nil || len(entries) > 0 {
				t.Errorf("list: %v, %v", entries, err)
			}
			if left := versions(t, s, "disks"); len(left) != test.kept {
				t.Errorf("%d versions are kept, want %d", len(left), test.kept)
			}
		})
	}
	s := at(t, server, false, nil, func(c *Config) { c.Retain = time.Hour })
	if err := s.Check(ctx, 0); err == nil || !strings.Contains(err.Error(), "no Object Lock") || len(tell.Hints(err)) == 0 {
		t.Errorf("a bucket that cannot lock: %v", err)
	}
}

// A service that takes any PUT, whatever its conditions, is none for backups.
func TestServiceThatReplaces(t *testing.T) {
	var deeds []string
	service := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		deeds = append(deeds, r.Method)
		switch {
		case r.Method == http.MethodDelete:
			w.WriteHeader(http.StatusNoContent)
		case r.URL.Query().Has("object-lock"):
			w.WriteHeader(http.StatusNotFound)
			fmt.Fprint(w, `<Error><Code>ObjectLockConfigurationNotFoundError</Code></Error>`)
		case r.Method == http.MethodGet:
			fmt.Fprint(w, `<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>b</Name></ListBucketResult>`)
		default:
			w.Header().Set("Etag", `"1"`)
		}
	}))
	defer service.Close()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: service.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := New(Config{Endpoint: service.URL, Bucket: "bucket", PathStyle: true, CA: ca, AccessKey: "a", SecretKey: "s"})
	if err != nil {
		t.Fatal(err)
	}
	err = s.Check(context.Background(), 0)
	if err == nil || !strings.Contains(err.Error(), "replaces") || len(tell.Hints(err)) == 0 {
		t.Errorf("%v", err)
	}
	if !slices.Equal(deeds, []string{"GET", "GET", "PUT", "PUT", "DELETE"}) {
		t.Errorf("it was asked %q", deeds)
	}
}

func TestNewRefuses(t *testing.T) {
	for want, c := range map[string]Config{
		"no https://host":       {Endpoint: "http://s3.example.org", Bucket: "bucket"},
		"no https://host of":    {Endpoint: "https://s3.example.org/path", Bucket: "bucket"},
		"cannot be a prefix":    {Endpoint: "https://s3.example.org", Bucket: "bucket", Prefix: "../x/"},
		"cannot be a prefix of": {Endpoint: "https://s3.example.org", Bucket: "bucket", Prefix: "a\nb"},
		"certificates to trust": {Endpoint: "https://s3.example.org", Bucket: "bucket", CA: "/none"},
	} {
		if _, err := New(c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %s", c, err, want)
		}
	}
}
