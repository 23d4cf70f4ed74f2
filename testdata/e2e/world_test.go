//go:build e2e

// Package e2e loses a k3s server in every way that we know of and gets it back.
// The server is the stand-in of testdata/k3s (real etcd, kine, API server and
// kubectl), the releases are made by real Helm, and everything lies where it
// lies on a real server.
//
// The one thing to know: each scenario runs in namespaces of its own (see
// scenario), so it may wipe /var/lib/rancher and /etc/rancher at will.
package e2e

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/railiance/railiance/testdata/estate"
)

// Where things are on the machine of a scenario.
const (
	tree      = "/srv/railiance" // a clone of this repository
	layerDir  = tree + "/layers/cluster"
	parts     = "/mnt/parts" // k3s, systemctl, helm3, helm4, etcdutl
	keysFile  = "/root/.config/sops/age/keys.txt"
	backupDir = "/opt/backup/railiance/cluster"
	dataDir   = "/var/lib/rancher/k3s"
	adminFile = "/etc/rancher/k3s/k3s.yaml"
	address   = "192.0.2.1" // of the machine, on lo: k3s wants one that is not a loopback address
)

// world is the machine of one scenario.
type world struct {
	t      *testing.T
	server estate.Server
}

func newWorld(t *testing.T) *world {
	w := &world{t: t}
	w.ok(unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""))
	w.ok(unix.Mount("proc", "/proc", "proc", 0, ""))
	w.network()
	w.mounts(setting(t, "E2E_PARTS"), setting(t, "E2E_BIN"), setting(t, "E2E_TREE"))
	w.hostname("coulombcore")
	os.Clearenv()
	for name, value := range map[string]string{
		"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"HOME": "/root", "SYSTEMCTL_DIR": "/etc/systemd/system", "MUST_RUN": "1",
	} {
		w.ok(os.Setenv(name, value))
	}
	w.ok(os.Chdir("/root"))
	w.server = estate.Server{
		K3s: "/usr/local/bin/k3s", Helm3: "/usr/local/bin/helm3", Helm4: "/usr/local/bin/helm4",
		Kubeconfig: adminFile, Scratch: "/mnt/scratch",
	}
	return w
}

// mounts hides what the real machine has where ours will write. The order
// matters: the tree and the parts may lie below a folder that is hidden later.
func (w *world) mounts(partsFrom, binFrom, treeFrom string) {
	w.tmpfs("/mnt")
	w.tmpfs("/srv")
	for _, dir := range []string{parts, "/mnt/etc", "/mnt/scratch", tree} {
		w.ok(os.MkdirAll(dir, 0o755))
	}
	w.ok(unix.Mount(partsFrom, parts, "", unix.MS_BIND, ""))
	w.sh(fmt.Sprintf("cd %q && git -c safe.directory='*' ls-files -z -co --exclude-standard | tar --null -T - --ignore-failed-read -cf - | tar -xf - -C %s", treeFrom, tree))
	w.sh(fmt.Sprintf("mkdir -p %s/bin && cp %q/railiance-* %s/bin/", tree, binFrom, tree))
	w.sh("cp -a /etc/. /mnt/etc/")
	w.ok(unix.Mount("/mnt/etc", "/etc", "", unix.MS_BIND, ""))
	for _, dir := range []string{"/opt", "/var/lib", "/root", "/media", "/tmp", "/dev/shm", "/usr/local/bin"} {
		w.tmpfs(dir)
	}
	w.sh("chmod 1777 /tmp /dev/shm")
	for _, name := range []string{"k3s", "systemctl", "helm3", "helm4"} {
		w.ok(os.Symlink(filepath.Join(parts, name), "/usr/local/bin/"+name))
	}
	w.sh("rm -rf /etc/rancher /etc/cron.d/* /etc/systemd/system/*; mkdir -p /etc/cron.d /etc/systemd/system")
}

func (w *world) tmpfs(dir string) {
	w.t.Helper()
	w.ok(os.MkdirAll(dir, 0o755))
	w.ok(unix.Mount("tmpfs", dir, "tmpfs", 0, "mode=0755"))
}

// network brings up lo, with an address that can pass for the machine's own.
func (w *world) network() {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	w.ok(err)
	defer unix.Close(fd)
	up, err := unix.NewIfreq("lo")
	w.ok(err)
	up.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	w.ok(unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, up))
	more, err := unix.NewIfreq("lo:1")
	w.ok(err)
	w.ok(more.SetInet4Addr(net.ParseIP(address).To4()))
	w.ok(unix.IoctlIfreq(fd, unix.SIOCSIFADDR, more))
}

// hostname gives the machine another name and other host keys.
func (w *world) hostname(name string) {
	w.t.Helper()
	w.ok(unix.Sethostname([]byte(name)))
	w.write("/etc/hostname", name+"\n", 0o644)
	w.sh("mkdir -p /etc/ssh && rm -f /etc/ssh/ssh_host_* && ssh-keygen -q -t ed25519 -N '' -C '' -f /etc/ssh/ssh_host_ed25519_key")
}

func (w *world) ok(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) write(path, text string, mode os.FileMode) {
	w.t.Helper()
	w.ok(os.MkdirAll(filepath.Dir(path), 0o755))
	w.ok(os.WriteFile(path, []byte(text), mode))
}

func (w *world) read(path string) string {
	w.t.Helper()
	b, err := os.ReadFile(path)
	w.ok(err)
	return string(b)
}

// sh runs a script of the test itself, which must succeed.
func (w *world) sh(script string) string {
	w.t.Helper()
	out, err := exec.Command("sh", "-euc", script).CombinedOutput()
	if err != nil {
		w.t.Fatalf("%s: %v\n%s", script, err, out)
	}
	return string(out)
}

// one is the only file that matches.
func (w *world) one(pattern string) string {
	w.t.Helper()
	found, err := filepath.Glob(pattern)
	w.ok(err)
	if len(found) != 1 {
		w.t.Fatalf("%s: %s", pattern, strings.Join(found, " "))
	}
	return found[0]
}
