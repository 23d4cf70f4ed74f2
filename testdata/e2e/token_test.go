//go:build e2e

package e2e

import (
	"strings"
	"testing"
	"time"
)

// TestTokenOfAnotherSet restores a set from before the cluster was built anew:
// the token of today does not open it, the one in the set does.
func TestTokenOfAnotherSet(t *testing.T) {
	scenario(t, func(t *testing.T, w *world) {
		w.boot(etcdConfig)
		w.fill()
		before := w.inventory()
		w.firstDay()
		w.do(backup)
		first := strings.TrimSuffix(strings.TrimPrefix(w.one(backupDir+"/manifest-*.json"), backupDir+"/manifest-"), ".json")
		token := w.read(dataDir + "/server/token")

		w.wipe()
		w.boot(etcdConfig)
		if w.read(dataDir+"/server/token") == token {
			t.Fatal("the new cluster has the old token: this test would show nothing")
		}
		w.kubectl("create", "namespace", "young")
		second := w.inventory()
		time.Sleep(1100 * time.Millisecond) // sets have the second in their names
		w.do(backup)

		w.do(restore, "apply", "--at", first, "--yes")
		w.ready()
		w.equal(before, "the first cluster, over the second")
		w.do(restore, "apply", "--yes")
		w.ready()
		w.equal(second, "the second cluster, over the first")
		w.noPlaintext()
	})
}

// TestWrongToken has a token in the environment of the service that is not the
// one of the set. k3s prefers it and cannot open what was restored. The restore
// must not be called a success, and goes on once that is put right.
func TestWrongToken(t *testing.T) {
	scenario(t, func(t *testing.T, w *world) {
		w.boot(etcdConfig)
		w.fill()
		before := w.inventory()
		w.firstDay()
		w.do(backup)
		w.wipe()
		w.write("/etc/systemd/system/k3s.service.env", "K3S_TOKEN=of-another-cluster\n", 0o600)
		d := w.call(restore, "apply", "--yes", "--ready", "20s")
		t.Logf("exit status %d:\n%s", d.code, d.stderr)
		if d.code == 0 {
			w.ready() // it may have put the unit's environment right by itself
		} else {
			if !strings.Contains(strings.ToLower(d.stderr), "token") || !strings.Contains(d.stderr, "hint:") {
				t.Error("it does not say that it is the token, or what to do")
			}
			w.write("/etc/systemd/system/k3s.service.env", "", 0o600)
			w.do(restore, "apply", "--yes")
			w.ready()
		}
		w.equal(before, "with the right token")
		if strings.Contains(d.stdout+d.stderr, "of-another-cluster") {
			t.Error("it shows the token")
		}
	})
}

// TestEncryptionConfigMissing backs up a server whose encryption configuration
// is not where it belongs. Such a set must not count as complete, and nothing
// may be restored from it unasked.
func TestEncryptionConfigMissing(t *testing.T) {
	scenario(t, func(t *testing.T, w *world) {
		w.boot(etcdConfig)
		w.fill()
		before := w.inventory()
		w.firstDay()
		config := dataDir + "/server/cred/encryption-config.json"
		w.sh("mv " + config + " /mnt/away")
		w.refused([]string{"encryption-config.json", "hint:"}, backup)
		w.refused([]string{"no set"}, restore, "apply", "--yes")
		w.equal(before, "after a restore that was refused")

		w.sh("mv /mnt/away " + config)
		time.Sleep(1100 * time.Millisecond) // sets have the second in their names
		w.do(backup)
		w.wipe()
		w.do(restore, "apply", "--yes")
		w.ready()
		w.equal(before, "from the set that has it")
	})
}
