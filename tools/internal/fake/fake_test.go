package fake

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func cluster(t *testing.T) Cluster {
	t.Helper()
	c, err := NewCluster(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range c.Env() {
		name, value, _ := strings.Cut(v, "=")
		t.Setenv(name, value)
	}
	t.Setenv("KUBECONFIG", filepath.Join(c.Etc(), "k3s.yaml"))
	return c
}

// The pages that the fake serves hold what the real API server's pages held.
func TestListAgreesWithTheRecordedPages(t *testing.T) {
	c := cluster(t)
	if err := c.UseCorrupt(); err != nil {
		t.Fatal(err)
	}
	next := ""
	for _, name := range []string{"page1", "page2"} {
		b, err := recorded("tools/internal/helmrelease/testdata/secrets-owner-helm." + name + ".json.zst")
		if err != nil {
			t.Fatal(err)
		}
		var want, got objectList
		if err := json.Unmarshal(b, &want); err != nil {
			t.Fatal(err)
		}
		q := url.Values{"labelSelector": {"owner=helm"}, "limit": {"12"}}
		if next != "" {
			q.Set("continue", next)
		}
		var out, stderr bytes.Buffer
		if err := k3s([]string{"kubectl", "get", "--raw", "/api/v1/secrets?" + q.Encode()}, &out, &stderr); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(out.Bytes(), &got); err != nil {
			t.Fatal(err)
		}
		if got.Kind != want.Kind || len(got.Items) != len(want.Items) || (got.Metadata.Continue == "") != (want.Metadata.Continue == "") {
			t.Fatalf("%s: %s of %d, continue %q; recorded: %s of %d, continue %q", name,
				got.Kind, len(got.Items), got.Metadata.Continue, want.Kind, len(want.Items), want.Metadata.Continue)
		}
		if got.Metadata.Continue != want.Metadata.Continue {
			t.Errorf("%s: continue %q, recorded %q", name, got.Metadata.Continue, want.Metadata.Continue)
		}
		for i := range got.Items {
			if !bytes.Equal(got.Items[i], want.Items[i]) {
				t.Errorf("%s: item %d differs", name, i)
			}
		}
		next = got.Metadata.Continue
	}
}

// The damaged snapshots are the recorded ones, byte for byte.
func TestDamagesAreTheRecordedOnes(t *testing.T) {
	good, err := recorded(recordedSnapshot)
	if err != nil {
		t.Fatal(err)
	}
	if got := string(good[snapshotTextAt : snapshotTextAt+len(SnapshotText)]); got != SnapshotText {
		t.Fatalf("the snapshot says %q", got)
	}
	b, err := recorded("tools/internal/etcdsnap/testdata/damaged.expected.json")
	if err != nil {
		t.Fatal(err)
	}
	var want map[string]struct {
		SHA256 string `json:"sha256_of_file"`
	}
	if err := json.Unmarshal(b, &want); err != nil {
		t.Fatal(err)
	}
	for _, how := range Damages() {
		b, err := Damage(good, how)
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(b)
		if hex.EncodeToString(sum[:]) != want[how].SHA256 {
			t.Errorf("%s is not the recorded one", how)
		}
	}
}

// A call that the real program refuses must not pass here.
func TestUnknownArgumentsAreRefused(t *testing.T) {
	c := cluster(t)
	for _, line := range []string{
		"", "server", "--help", "etcd-snapshot", "etcd-snapshot prune",
		"etcd-snapshot save --retention 3", "etcd-snapshot save -x", "etcd-snapshot save extra --data-dir " + c.DataDir(),
		"etcd-snapshot save --data-dir /elsewhere", "etcd-snapshot save --name", "etcd-snapshot save --etcd-s3 --data-dir " + c.DataDir(),
		"etcd-snapshot list --name x --data-dir " + c.DataDir(), "etcd-snapshot delete --data-dir " + c.DataDir(),
		"etcd-snapshot delete ../token --data-dir " + c.DataDir(), "etcd-snapshot delete none --data-dir " + c.DataDir(),
		"kubectl", "kubectl get secrets -A", "kubectl get --raw /api/v1/pods", "kubectl get --raw /api/v1/secrets",
		"kubectl get --raw /api/v1/secrets?labelSelector=owner%3Dhelm&watch=1",
		"kubectl get --raw /api/v1/secrets?labelSelector=owner%3Dhelm&limit=x",
		"kubectl get --raw /api/v1/secrets?labelSelector=owner%3Dhelm&limit=12&continue=abc",
	} {
		var stdout, stderr bytes.Buffer
		if err := k3s(strings.Fields(line), &stdout, &stderr); err == nil {
			t.Errorf("k3s %s: accepted", line)
		}
	}
}

// What kubectl was recorded to say, word for word.
func TestRefusalsSoundLikeTheRecordedOnes(t *testing.T) {
	const list = "/api/v1/secrets?labelSelector=owner%3Dhelm"
	for name, want := range map[string]string{
		FaultAPIDown:   "The connection to the server 127.0.0.1:6443 was refused - did you specify the right host or port?",
		FaultForbidden: `Error from server (Forbidden): secrets is forbidden: User "backup-viewer" cannot list resource "secrets" in API group "" at the cluster scope`,
	} {
		c := cluster(t)
		if err := os.WriteFile(filepath.Join(c.World(), name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		var stdout, stderr bytes.Buffer
		if err := k3s([]string{"kubectl", "get", "--raw", list}, &stdout, &stderr); err == nil || err.Error() != want {
			t.Errorf("%s: %v", name, err)
		}
	}
	t.Setenv("KUBECONFIG", "/nowhere")
	var stdout, stderr bytes.Buffer
	if err := k3s([]string{"kubectl", "get", "--raw", list}, &stdout, &stderr); err == nil || !strings.Contains(err.Error(), "localhost:8080") {
		t.Errorf("without a kubeconfig: %v", err)
	}
}
