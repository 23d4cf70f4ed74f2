package sites

import (
	"strings"
	"testing"

	"github.com/railiance/railiance/tools/internal/clustercontext"
	"github.com/railiance/railiance/tools/internal/store/s3store"
	"github.com/railiance/railiance/tools/internal/tell"
)

func of(kind string) clustercontext.Store {
	return clustercontext.Store{
		Name: "nas-s3", Type: kind, Path: "/mnt/nas", Endpoint: "https://s3.example.org", Bucket: "m", LockDays: 30,
		URL: "https://cloud.example.org/dav", Credentials: "secrets/nas.sops.yaml",
	}
}

const canary = "the-secret-itself"

func TestOpen(t *testing.T) {
	for name, test := range map[string]struct {
		kind  string
		env   map[string]string
		where string // or
		fails string
		hint  string
	}{
		"a folder": {kind: "dir", where: "/mnt/nas"},
		"S3 with its own": {kind: "s3", where: "https://s3.example.org/m/",
			env: map[string]string{"RAILIANCE_NAS_S3_ACCESS_KEY": "mine", "RAILIANCE_NAS_S3_SECRET_KEY": canary, "AWS_ACCESS_KEY_ID": "other"}},
		"S3 with Amazon's": {kind: "s3", where: "https://s3.example.org/m/",
			env: map[string]string{"AWS_ACCESS_KEY_ID": "mine", "AWS_SECRET_ACCESS_KEY": canary}},
		"S3 with none": {kind: "s3", fails: "RAILIANCE_NAS_S3_ACCESS_KEY and RAILIANCE_NAS_S3_SECRET_KEY is not set", hint: "railiance-secrets exec secrets/nas.sops.yaml"},
		// Half of one pair and half of another would be somebody else's mistake to find.
		"S3 with a half of its own": {kind: "s3", fails: "RAILIANCE_NAS_S3_SECRET_KEY is not set", hint: "define RAILIANCE_NAS_S3_SECRET_KEY",
			env: map[string]string{"RAILIANCE_NAS_S3_ACCESS_KEY": "mine", "AWS_ACCESS_KEY_ID": "other", "AWS_SECRET_ACCESS_KEY": canary}},
		"S3 with a half of Amazon's": {kind: "s3", fails: "AWS_SECRET_ACCESS_KEY is not set", hint: "define AWS_SECRET_ACCESS_KEY",
			env: map[string]string{"AWS_ACCESS_KEY_ID": "other"}},
		"WebDAV": {kind: "webdav", where: "https://cloud.example.org/dav",
			env: map[string]string{"RAILIANCE_NAS_S3_USER": "me", "RAILIANCE_NAS_S3_PASSWORD": canary}},
		"WebDAV with Amazon's": {kind: "webdav", fails: "RAILIANCE_NAS_S3_USER and RAILIANCE_NAS_S3_PASSWORD is not set", hint: "railiance-secrets",
			env: map[string]string{"AWS_ACCESS_KEY_ID": "mine", "AWS_SECRET_ACCESS_KEY": canary}},
		"something else": {kind: "ftp", fails: `type "ftp"`},
	} {
		t.Run(name, func(t *testing.T) {
			site, err := Open(of(test.kind), func(name string) string { return test.env[name] })
			if test.fails != "" {
				if err == nil || !strings.Contains(err.Error(), test.fails) || !strings.HasPrefix(err.Error(), "store nas-s3: ") {
					t.Errorf("%v, want %s", err, test.fails)
				}
				if said := strings.Join(tell.Hints(err), "\n"); !strings.Contains(said, test.hint) || strings.Contains(said, canary) {
					t.Errorf("hints: %s", said)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if site.Where() != test.where {
				t.Errorf("it is at %s, want %s", site.Where(), test.where)
			}
			if s3, ok := site.(*s3store.Site); ok {
				if s3.AccessKey != "mine" || s3.SecretKey != canary || s3.Retain.Hours() != 30*24 {
					t.Errorf("%q, %q, %s", s3.AccessKey, s3.SecretKey, s3.Retain)
				}
			}
		})
	}
}

func TestVariable(t *testing.T) {
	for name, want := range map[string]string{"disk": "RAILIANCE_DISK_USER", "nas-s3.2": "RAILIANCE_NAS_S3_2_USER"} {
		if got := Variable(name, "USER"); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}
