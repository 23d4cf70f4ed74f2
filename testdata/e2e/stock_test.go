//go:build e2e

package e2e

import (
	"strings"
	"testing"
)

// TestStockTools opens every artifact with what Debian ships and with
// upstream's etcdutl. None of our programs takes part.
func TestStockTools(t *testing.T) {
	scenario(t, func(t *testing.T, w *world) {
		w.boot(etcdConfig)
		w.fill()
		w.firstDay()
		w.do(backup)
		w.sh("systemctl stop k3s; rm -rf " + tree + "/bin; mkdir /mnt/out")
		open := func(pattern, to string) {
			w.sh("age -d -i " + keysFile + " " + w.one(backupDir+"/"+pattern) + " > /mnt/out/" + to)
		}
		open("etcd-*.snap.age", "snap")
		w.sh(parts + "/etcdutl snapshot restore /mnt/out/snap --data-dir /mnt/out/etcd && test -d /mnt/out/etcd/member/wal")

		open("helm-values-*.tar.gz.age", "helm.tar.gz")
		for _, name := range []string{"apps/four/v1/values.yaml", "media/navidrome/v2/values.yaml", "apps/gone/v1/metadata.json"} {
			if list := w.sh("tar tzf /mnt/out/helm.tar.gz"); !strings.Contains(list, name+"\n") {
				t.Errorf("tar tzf lists no %s:\n%s", name, list)
			}
		}
		open("k3s-server-*.tar.gz.age", "server.tar.gz")
		if token := w.sh("tar xzOf /mnt/out/server.tar.gz server/token"); token != w.read(dataDir+"/server/token") {
			t.Error("the token in the set is another one")
		}
		open("kubeconfig-*.yaml.age", "kubeconfig")
		if w.read("/mnt/out/kubeconfig") != w.read(adminFile) {
			t.Error("the kubeconfig in the set is another one")
		}
		manifest := w.one(backupDir + "/manifest-*.json")
		w.sh("ssh-keygen -Y verify -f " + tree + "/allowed_signers -I root@coulombcore -n railiance-manifest -s " + manifest + ".sig < " + manifest)
		if d := w.program("sh", "-c", "sed s/coulombcore/elsewhere/ "+manifest+" | ssh-keygen -Y verify -f "+tree+
			"/allowed_signers -I root@coulombcore -n railiance-manifest -s "+manifest+".sig"); d.code == 0 {
			t.Error("ssh-keygen accepts another manifest")
		}
	})
}
