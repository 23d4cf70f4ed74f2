package recovery_test

import (
	"bytes"
	"crypto/sha256"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"golang.org/x/sys/unix"

	"github.com/railiance/railiance/tools/internal/asset"
	"github.com/railiance/railiance/tools/internal/catalog"
	"github.com/railiance/railiance/tools/internal/guide"
	"github.com/railiance/railiance/tools/internal/layer"
	"github.com/railiance/railiance/tools/internal/mustrun"
	"github.com/railiance/railiance/tools/internal/recovery"
	"github.com/railiance/railiance/tools/internal/registry"
	"github.com/railiance/railiance/tools/internal/state"
)

// refused runs apply, which must fail in that way and change nothing.
func (w *world) refused(status int, env []string, why string, args ...string) {
	t := w.t
	t.Helper()
	before := w.picture()
	code, out := w.run("railiance-restore-s2", env, append([]string{"apply"}, args...)...)
	if code != status || !strings.Contains(out, why) {
		t.Errorf("%v: status %d, not %d, or it does not say %q:\n%s", args, code, status, why, out)
	}
	if now := w.picture(); !maps.Equal(now, before) {
		t.Errorf("%v has changed something", args)
	}
	if _, err := os.Stat(filepath.Join(w.root, "running")); err != nil {
		t.Errorf("%v has stopped k3s", args)
	}
	if strings.Contains(w.read("argv"), "cluster-reset") {
		t.Errorf("%v has reset the cluster", args)
	}
}

// What must not be restored is refused before the first change.
func TestRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, asset.KindEtcd)
	stranger, err := age.GenerateX25519Identity()
	ok(t, err)
	w.refused(1, []string{"SOPS_AGE_KEY=" + stranger.String()}, "none of the private keys", "--yes")
	w.refused(1, []string{"SOPS_AGE_KEY="}, "SOPS_AGE_KEY_FILE", "--yes")
	w.refused(2, nil, "there is no terminal to ask on")
	w.refused(2, nil, "from folders alone", "--yes", "--from", "s3://bucket/sets")
	w.refused(2, nil, "from", "--yes", "--from", filepath.Join(w.root, "nowhere"))
	w.refused(2, nil, "is not a time", "--yes", "--at", "yesterday")
	w.refused(1, nil, "there is no set of", "--yes", "--at", "20200101T000000Z")
	w.refused(2, nil, "belong together", "--yes", "--asset", "kubeconfig")
	w.refused(2, nil, "do not go together", "--yes", "--back", "--at", "20200101T000000Z")
	w.refused(1, nil, "no restore was made here", "--yes", "--back")
	w.refused(1, []string{"PATH=" + t.TempDir()}, "k3s: not installed", "--yes")

	w.write("stubborn", "")
	code, out := w.run("railiance-restore-s2", nil, "apply", "--yes")
	if code != 1 || !strings.Contains(out, "still answers after systemctl stop") || w.read("k3s data/server/db/state.db") != "sqlite of today" {
		t.Errorf("a server that nobody stopped: %d\n%s", code, out)
	}
	ok(t, os.Remove(filepath.Join(w.root, "stubborn")))
	if code, out := w.run("railiance-restore-s2", nil, "apply", "--back", "--yes"); code != 0 {
		t.Errorf("%d\n%s", code, out)
	}
	w.write("running", "")

	lock, err := state.Acquire(w.sets)
	ok(t, err)
	w.refused(3, nil, "another run holds the lock", "--yes")
	ok(t, lock.Unlock())

	// Encrypted correctly, newer, and signed by somebody else.
	forged := time.Date(2026, 11, 21, 2, 0, 0, 0, time.UTC)
	w.set(forged, 2, asset.KindEtcd, newSigner(t, filepath.Join(w.root, "other")), w.key.Recipient())
	w.refused(1, nil, "unknown signer", "--yes", "--at", forged.Format(catalog.TimeLayout))

	// One bit of an artifact that is signed.
	path := filepath.Join(w.sets, "etcd-20261120T020000Z.snap.age")
	b := []byte(w.read(path))
	b[len(b)/2] ^= 1
	ok(t, os.Remove(path))
	ok(t, os.WriteFile(path, b, 0o400))
	w.refused(1, nil, "altered", "--yes")
}

// A forged newest set is passed by, and a list tells of it, also without the
// file that says whom to trust.
func TestForgedIsPassedBy(t *testing.T) {
	t.Parallel()
	w := newWorld(t, asset.KindStateDB)
	w.set(time.Date(2026, 11, 21, 2, 0, 0, 0, time.UTC), 2, asset.KindEtcd, newSigner(t, filepath.Join(w.root, "other")), w.key.Recipient())
	before := w.picture()
	code, out := w.run("railiance-restore-s2", nil, "list")
	if code != 0 || !strings.Contains(out, "NOT TRUSTED: unknown signer") || !strings.Contains(out, "number 1") || !strings.Contains(out, "install -m 600 \"$OUT/state-db-$SET.db\"") {
		t.Errorf("%d\n%s", code, out)
	}
	ok(t, os.Rename(filepath.Join(w.layer, "allowed_signers"), filepath.Join(w.root, "signers")))
	code, out = w.run("railiance-restore-s2", nil, "list")
	if code != 0 || strings.Count(out, "NOT TRUSTED") != 2 || !strings.Contains(out, "make trust") {
		t.Errorf("without allowed_signers: %d\n%s", code, out)
	}
	w.refused(1, nil, "allowed_signers", "--yes")
	ok(t, os.Rename(filepath.Join(w.root, "signers"), filepath.Join(w.layer, "allowed_signers")))
	if now := w.picture(); !maps.Equal(now, before) {
		t.Error("a list has changed something")
	}
	if code, out = w.run("railiance-restore-s2", nil, "apply", "--yes"); code != 0 || !strings.Contains(out, "restored from manifest-20261120T020000Z.json") {
		t.Errorf("%d\n%s", code, out)
	}
	w.restored(asset.KindStateDB)
}

// A reset that ends well and has not restored what was saved is found before
// k3s starts on it; a server that serves less, when it has.
func TestLess(t *testing.T) {
	t.Parallel()
	w := newWorld(t, asset.KindEtcd)
	w.write("lossy", "")
	code, out := w.run("railiance-restore-s2", nil, "apply", "--yes")
	if code != 1 || !strings.Contains(out, "the restored datastore lacks what was saved: [registry/namespaces: 6, not 7]") || !strings.Contains(out, "apply --back") {
		t.Errorf("%d\n%s", code, out)
	}
	if _, err := os.Stat(filepath.Join(w.root, "running")); err == nil {
		t.Error("k3s was started on a datastore that lacks something")
	}
	if _, err := os.Stat(filepath.Join(w.data, "server/railiance-restore")); err == nil {
		t.Error("plaintext is left after a failure")
	}
	ok(t, os.Remove(filepath.Join(w.root, "lossy")))
	if code, out := w.run("railiance-restore-s2", nil, "apply", "--yes"); code != 0 {
		t.Errorf("it does not go on after a failure: %d\n%s", code, out)
	}

	for _, key := range []string{"configmaps", "roles"} {
		w = newWorld(t, asset.KindEtcd)
		w.write("lost", "registry/"+key)
		code, out = w.run("railiance-restore-s2", nil, "apply", "--yes")
		if code != 1 || !strings.Contains(out, "serves less than was saved of 1 kinds") || !strings.Contains(out, "MISSING") {
			t.Errorf("%s: %d\n%s", key, code, out)
		}
	}
	// A bootstrap token that has expired is no loss, nor is k3s's list of the
	// snapshots on a disk that is no more.
	for _, key := range []string{"registry/secrets", registry.SnapshotFiles} {
		w = newWorld(t, asset.KindEtcd)
		w.change = snapshotFiles
		w.set(setTime.Add(time.Hour), 2, asset.KindEtcd, w.signer, w.key.Recipient())
		w.write("lost", key)
		if code, out := w.run("railiance-restore-s2", nil, "apply", "--yes"); code != 0 || !strings.Contains(out, "restored from manifest-20261120T030000Z.json") {
			t.Errorf("%s: %d\n%s", key, code, out)
		}
	}
}

// snapshotFiles makes other objects of a snapshot k3s's list of its snapshots.
func snapshotFiles(snapshot []byte) []byte {
	// Of one length, since bbolt's pages are full of offsets.
	const from, to = "/registry/backup.example.org/backupplans/b", "/" + registry.SnapshotFiles + "/"
	b := bytes.ReplaceAll(snapshot[:len(snapshot)-sha256.Size], []byte(from), []byte(to))
	sum := sha256.Sum256(b)
	return append(b, sum[:]...)
}

// What only a workload can convert is told, and holds nothing else up.
func TestNotServed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, asset.KindEtcd)
	w.write("mute", "registry/backup.example.org/backupplans")
	code, out := w.run("railiance-restore-s2", nil, "apply", "--yes", "--ready", "3s")
	for _, want := range []string{
		"backup.example.org/backupplans: not served: ", "conversion webhook", "k3s kubectl get -A backupplans.backup.example.org", "serves less than was saved of 1 kinds",
		"restored from manifest-20261120T020000Z.json",
	} {
		if code != 1 || !strings.Contains(out, want) {
			t.Errorf("%d, without %q\n%s", code, want, out)
		}
	}
	if code, out := w.run("railiance-restore-s2", nil, "apply", "--back", "--yes"); code != 0 {
		t.Errorf("it cannot be taken back: %d\n%s", code, out)
	}
	// An API server that does not answer for itself is another matter.
	w = newWorld(t, asset.KindEtcd)
	w.write("mute", "registry/namespaces")
	if code, out := w.run("railiance-restore-s2", nil, "apply", "--yes", "--ready", "3s"); code != 1 || !strings.Contains(out, "apply goes on from here") {
		t.Errorf("%d\n%s", code, out)
	}
	ok(t, os.Remove(filepath.Join(w.root, "mute")))
	if code, out := w.run("railiance-restore-s2", nil, "apply", "--yes"); code != 0 {
		t.Errorf("it does not go on: %d\n%s", code, out)
	}
}

func TestMissing(t *testing.T) {
	saved := catalog.Contents{"keys": 9, "bootstrap": 1, "registry/secrets": 2, "registry/example.org/boats": 1}
	if err := recovery.Missing(saved, catalog.Contents{"registry/secrets": 3, "registry/example.org/boats": 1, "registry/new": 1}); err != nil {
		t.Errorf("more than was saved: %v", err)
	}
	for _, found := range []catalog.Contents{{"registry/secrets": 1, "registry/example.org/boats": 1}, {"registry/secrets": 2}, nil} {
		if err := recovery.Missing(saved, found); err == nil {
			t.Errorf("%v lacks something", found)
		}
	}
}

// What this machine is configured to be can be kept.
func TestKeepConfig(t *testing.T) {
	t.Parallel()
	w := newWorld(t, asset.KindEtcd)
	config := w.read("etc/config.yaml")
	if code, out := w.run("railiance-restore-s2", nil, "apply", "--yes", "--keep-config"); code != 0 {
		t.Fatalf("%d\n%s", code, out)
	}
	if got := w.read("etc/config.yaml"); got != config {
		t.Errorf("config.yaml: %q", got)
	}
	if got := w.read("k3s data/server/token"); got != setToken+"\n" {
		t.Errorf("token: %q", got)
	}
}

// A server that joined another is not reset: k3s would refuse half way.
func TestJoined(t *testing.T) {
	t.Parallel()
	w := newWorld(t, asset.KindEtcd)
	w.write("etc/config.yaml", "server: https://first:6443\n")
	w.refused(1, nil, "this server joined another", "--yes", "--keep-config")
}

// One asset is written whole, privately, over nothing, or not at all.
func TestSingle(t *testing.T) {
	t.Parallel()
	w := newWorld(t, asset.KindEtcd)
	to := filepath.Join(w.root, "out")
	for _, c := range []struct{ asset, name string }{
		{"etcd", "etcd-20261120T020000Z.snap"}, {"k3s-server", "k3s-server-20261120T020000Z.tar.gz"}, {"kubeconfig", "kubeconfig-20261120T020000Z.yaml"},
	} {
		code, out := w.run("railiance-restore-s2", nil, "apply", "--asset", c.asset, "--to", to)
		path := filepath.Join(to, c.name)
		if code != 0 || !strings.Contains(out, path) {
			t.Fatalf("%d\n%s", code, out)
		}
		info, err := os.Stat(path)
		ok(t, err)
		if info.Mode() != 0o600 || info.Size() == 0 {
			t.Errorf("%s: %v, %d bytes", path, info.Mode(), info.Size())
		}
		w.refused(1, nil, "file already exists", "--asset", c.asset, "--to", to)
	}
	if code, out := w.run("railiance-restore-s2", nil, "apply", "--asset", "k3s-server", "--to", to, "--unpack"); code != 0 {
		t.Fatalf("%d\n%s", code, out)
	}
	if got := w.read("out/k3s-server-20261120T020000Z/server/token"); got != setToken+"\n" {
		t.Errorf("token: %q", got)
	}
	w.refused(1, nil, "nothing to unpack", "--asset", "etcd", "--to", filepath.Join(w.root, "new"), "--unpack")
	w.refused(1, nil, "no set holds whole what is asked for; what they hold: etcd, k3s-server, kubeconfig", "--asset", "datastore", "--to", to)
	copied := t.TempDir()
	w.refused(1, nil, copied+": there is no set\n", "--asset", "etcd", "--to", to, "--from", copied)

	path := filepath.Join(w.sets, "kubeconfig-20261120T020000Z.yaml.age")
	b := []byte(w.read(path))
	ok(t, os.Remove(path))
	ok(t, os.WriteFile(path, b[:len(b)-20], 0o400))
	w.refused(1, nil, "altered", "--asset", "kubeconfig", "--to", filepath.Join(w.root, "torn"))
	if left, err := os.ReadDir(filepath.Join(w.root, "torn")); err != nil || len(left) > 0 {
		t.Errorf("%v is left (%v)", left, err)
	}
}

// A disk without room is refused before anything is stopped.
func TestDiskFull(t *testing.T) {
	mustrun.Root(t)
	w := newWorld(t, asset.KindStateDB)
	ok(t, os.RemoveAll(w.data))
	ok(t, os.MkdirAll(w.data, 0o755))
	if err := unix.Mount("tmpfs", w.data, "tmpfs", 0, "size=256k"); err != nil {
		mustrun.Skip(t, "the right to mount")
	}
	t.Cleanup(func() { _ = unix.Unmount(w.data, unix.MNT_DETACH) })
	w.refused(1, nil, "the restore needs", "--yes")
	if left, err := os.ReadDir(filepath.Join(w.data, "server")); err != nil || len(left) > 0 {
		t.Errorf("%v is left (%v)", left, err)
	}
}

// RESTORE.md is typed by somebody who has age, tar, ssh-keygen and k3s alone.
func TestByHand(t *testing.T) {
	mustrun.Command(t, "age")
	mustrun.Command(t, "ssh-keygen")
	kinds(t, func(t *testing.T, kind string) {
		w := newWorld(t, kind)
		w.write("home/.config/sops/age/keys.txt", w.key.String()+"\n")
		w.write("home/allowed_signers", w.read("repo/allowed_signers"))
		l, err := layer.Load(w.layer, layer.Places{BackupRoot: filepath.Dir(w.sets), Home: filepath.Join(w.root, "home")})
		ok(t, err)
		ok(t, guide.WriteRestorePage(w.sets, l))
		for i, block := range strings.Split(w.read(filepath.Join(w.sets, guide.RestorePage)), "```sh\n")[1:] {
			script, _, _ := strings.Cut(block, "```")
			if strings.Contains(script, "helm-values") {
				continue // the set has none
			}
			cmd := exec.Command("sh", "-e", "-c", script)
			cmd.Dir, cmd.Env = w.sets, w.env
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("block %d:\n%s\n%v\n%s", i+1, script, err, out)
			}
		}
		if got := w.read("k3s data/server/token"); got != setToken+"\n" {
			t.Errorf("token: %q", got)
		}
		if got := w.read("etc/config.yaml"); got != setConfig {
			t.Errorf("config: %q", got)
		}
		if n := counts(w.data)["/registry/namespaces/"]; n == 0 {
			t.Error("no datastore")
		}
		if _, err := os.Stat(filepath.Join(w.root, "home/railiance-restored")); err == nil {
			t.Error("the plaintext is left")
		}
	})
}
