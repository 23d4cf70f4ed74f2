//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestDisasterEtcd loses a server on embedded etcd with encrypted Secrets, and
// then restores once more over the living server, which has moved on.
func TestDisasterEtcd(t *testing.T) {
	scenario(t, func(t *testing.T, w *world) { disaster(w, etcdConfig) })
}

// TestDisasterSQLite is the same on k3s's default datastore.
func TestDisasterSQLite(t *testing.T) {
	scenario(t, func(t *testing.T, w *world) { disaster(w, sqliteConfig) })
}

func disaster(w *world, config string) {
	t := w.t
	w.boot(config)
	w.fill()
	token := strings.TrimSpace(w.kubectl("-n", "vault", "create", "token", "robot", "--duration=2h"))
	w.sh("cp " + adminFile + " /mnt/old-k3s.yaml")
	before := w.inventory()

	w.firstDay()
	w.do(restore, "plan")
	w.do(backup)
	w.do(restore, "verify")
	w.drill("booted")
	w.do(restore, "status")
	w.equal(before, "after backup and drill")

	w.wipe()
	w.do(restore, "apply", "--yes")
	w.ready()
	w.equal(before, "restored after the loss of everything")
	if got := w.kubectl("--kubeconfig", "/mnt/old-k3s.yaml", "-n", "vault", "get", "secret", "database", "-o", "jsonpath={.data.password}"); got == "" {
		t.Error("the old kubeconfig reads an empty password")
	}
	// A token that a workload was given before is only good with the old ServiceAccount key.
	w.kubectl("--kubeconfig", "/dev/null", "--server", "https://127.0.0.1:6443", "--certificate-authority", dataDir+"/server/tls/server-ca.crt",
		"--token", token, "-n", "vault", "get", "secret", "database")
	w.noPlaintext()

	w.kubectl("create", "namespace", "later")
	w.kubectl("-n", "later", "create", "secret", "generic", "late", "--from-literal=a=b")
	w.kubectl("-n", "apps", "delete", "boat", "dhow")
	w.kubectl("-n", "apps", "patch", "configmap", "settings", "--type=merge", "-p", `{"data":{"empty":"no more"}}`)
	_, err := w.server.Helm(t.Context(), w.server.Helm3, "uninstall", "plain", "-n", "media")
	w.ok(err)
	w.do(restore, "apply", "--yes")
	w.ready()
	w.equal(before, "restored over a living server")
	w.noPlaintext()

	w.do(backup)
	w.do(restore, "verify")
}

// ownKinds are those that a control plane makes anew by itself.
var ownKinds = []string{"apiregistration.k8s.io/apiservices", "endpointslices", "events", "flowschemas", "health", "ipaddresses", "leases", "masterleases", "peerserverleases",
	"prioritylevelconfigurations", "ranges", "servicecidrs", "services/endpoints"}

// counted holds what a drill counted against what the datastore had: a kind that
// goes by another name there would not be missed.
func (w *world) counted(counts map[string]int64) {
	w.t.Helper()
	var manifest struct {
		Artifacts []struct{ Contents map[string]int64 }
	}
	w.ok(json.Unmarshal([]byte(w.read(w.one(backupDir+"/manifest-*.json"))), &manifest))
	for _, a := range manifest.Artifacts {
		for key := range a.Contents {
			kind, ok := strings.CutPrefix(key, "registry/")
			if _, counted := counts[kind]; ok && !counted && !slices.Contains(ownKinds, kind) {
				w.t.Errorf("%s: the drill did not count them", kind)
			}
		}
	}
}

// drill rehearses the newest set and holds it to leaving nothing behind.
func (w *world) drill(proof string) {
	t := w.t
	t.Helper()
	running, mounted := w.processes(), w.read("/proc/self/mountinfo")
	w.do(restore, "drill")
	var stamp struct {
		Proof  string
		Counts map[string]int64
	}
	w.ok(json.Unmarshal([]byte(w.read(backupDir+"/.last-drill")), &stamp))
	if stamp.Proof != proof {
		t.Errorf("the drill's proof is %q, not %q", stamp.Proof, proof)
	}
	w.counted(stamp.Counts)
	if now := w.processes(); !slices.Equal(now, running) {
		t.Errorf("the drill left processes behind:\n%s\nwhere there were\n%s", strings.Join(now, "\n"), strings.Join(running, "\n"))
	}
	if now := w.read("/proc/self/mountinfo"); now != mounted {
		t.Errorf("the drill left mounts behind:\n%s\nwhere there were\n%s", now, mounted)
	}
	w.noPlaintext()
}

// noPlaintext looks for what belongs into Secrets, where only the datastore of
// the server itself and what was there before a restore may hold it.
func (w *world) noPlaintext() {
	w.t.Helper()
	out := w.sh(`grep -rlaF -e 'correct horse battery staple' -e '` + "AGE-SECRET-KEY-" + `' -e hunter2 /opt /tmp /root /etc /var/lib/railiance /dev/shm /srv/railiance/.sops.yaml 2>/dev/null | grep -vx ` + keysFile + ` || true`)
	if out != "" {
		w.t.Errorf("plaintext lies in:\n%s", out)
	}
	out = w.sh("find " + dataDir + "/server/db/snapshots /var/lib/rancher -name '*railiance*' -type f -path '*snapshot*' 2>/dev/null || true")
	if out != "" {
		w.t.Errorf("snapshots of ours were left:\n%s", out)
	}
}

// TestAnotherMachine has a copy of the backup folder, the repository and the
// age key, and nothing else: the token is only in the set.
func TestAnotherMachine(t *testing.T) {
	scenario(t, func(t *testing.T, w *world) { anotherMachine(w, etcdConfig) })
}

// TestAnotherMachineSQLite is the same on SQLite.
func TestAnotherMachineSQLite(t *testing.T) {
	scenario(t, func(t *testing.T, w *world) { anotherMachine(w, sqliteConfig) })
}

func anotherMachine(w *world, config string) {
	w.boot(config)
	w.fill()
	before := w.inventory()
	w.firstDay()
	w.do(backup)
	token := w.read(dataDir + "/server/token")

	w.move()
	w.install()
	w.do(restore, "list", "--from", "/media/copy/cluster")
	w.do(restore, "apply", "--from", "/media/copy/cluster", "--yes")
	w.ready()
	w.equal(before, "on another machine")
	if w.read(dataDir+"/server/token") != token {
		w.t.Error("the server token is another one")
	}
	w.noPlaintext()
}

// move leaves the old machine behind: another one, with another name and other
// host keys, on which only a copy of the backups, the repository and the age
// key arrive.
func (w *world) move() {
	w.t.Helper()
	w.sh("systemctl stop k3s; mkdir -p /media/copy && cp -a " + backupDir + " /media/copy/ && cp " + keysFile + " /mnt/keys.txt")
	for _, dir := range []string{"/opt", "/var/lib", "/root", "/tmp"} {
		w.ok(os.Chdir("/"))
		w.ok(unix.Unmount(dir, unix.MNT_DETACH))
		w.tmpfs(dir)
	}
	w.sh("chmod 1777 /tmp; rm -rf /etc/rancher /etc/systemd/system/* && mkdir -p /root/.config/sops/age && install -m 600 /mnt/keys.txt " + keysFile + " && rm /mnt/keys.txt")
	w.hostname(fmt.Sprintf("tapia-%d", os.Getpid()))
}
