//go:build e2e

package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/railiance/railiance/testdata/estate"
)

// TestClusterPage is a person who has read layers/cluster/README.md and types
// what stands there, on the server and then on another machine.
func TestClusterPage(t *testing.T) {
	scenario(t, func(t *testing.T, w *world) {
		w.boot(etcdConfig)
		w.fill()
		before := w.inventory()
		w.typed(page{name: "layers/cluster/README.md", text: w.read(layerDir + "/README.md"), dir: tree, before: map[string]func(){
			"The bad day, same server": func() {
				w.do(backup)
				w.sh("systemctl stop k3s; rm -rf " + dataDir + "/server/db; rm -f /etc/rancher/k3s/config.yaml")
			},
			"The bad day, another machine": func() {
				w.move()
				w.install()
			},
		}, after: map[string]func(){
			"The first day": func() {
				if list := w.sh("ls -A " + backupDir); !strings.Contains(list, ".last-drill") {
					t.Errorf("the first day ends without the proof of a drill:\n%s", list)
				}
			},
			"Every night":                  func() { w.noSchedule() },
			"The bad day, same server":     func() { w.back(before, "the bad day, same server") },
			"The bad day, another machine": func() { w.back(before, "the bad day, another machine") },
			"One thing alone": func() {
				if w.sh("ls -A /root/from-backup") == "" {
					t.Error("no kubeconfig came")
				}
			},
		}})
	})
}

func (w *world) back(before estate.Inventory, what string) {
	w.t.Helper()
	w.ready()
	w.equal(before, what)
	w.noPlaintext()
}

// noSchedule holds the page to its word that what is installed can be removed.
func (w *world) noSchedule() {
	w.t.Helper()
	if left := w.sh("ls -A /etc/cron.d /etc/systemd/system | grep railiance || true"); left != "" {
		w.t.Errorf("the schedule is not removed:\n%s", left)
	}
}

// TestRestorePage is a person who has the backup folder and the age key, and
// none of our programs: RESTORE.md on a machine with stock tools and k3s.
func TestRestorePage(t *testing.T) {
	scenario(t, func(t *testing.T, w *world) { byHand(w, etcdConfig, "The datastore: SQLite") })
}

// TestRestorePageSQLite is the same for a set of SQLite.
func TestRestorePageSQLite(t *testing.T) {
	scenario(t, func(t *testing.T, w *world) { byHand(w, sqliteConfig, "The datastore: etcd") })
}

func byHand(w *world, config, notThis string) {
	w.boot(config)
	w.fill()
	before := w.inventory()
	w.firstDay()
	w.do(backup)
	signers := w.read(tree + "/allowed_signers")
	w.move()
	w.install()
	w.sh("rm -rf " + tree)
	w.write("/root/allowed_signers", signers, 0o644)
	w.ok(os.Setenv("RELEASE", "media/navidrome/v2"))
	w.typed(page{name: "RESTORE.md", text: w.read("/media/copy/cluster/RESTORE.md"), dir: "/media/copy/cluster", skip: []string{notThis}})
	w.back(before, "by hand")
}

// TestReadme types what the first page tells a newcomer, on this machine.
func TestReadme(t *testing.T) {
	if os.Getenv(inside) != "" {
		return
	}
	t.Parallel()
	root := setting(t, "E2E_TREE")
	page, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, f := range fences(string(page)) {
		lines = append(lines, strings.Split(strings.TrimSpace(f.script), "\n")...)
	}
	for _, line := range lines {
		command := line
		if line == "make test" {
			// CI runs it by itself; in here it would only run twice.
			command = "make --dry-run test"
			ci, err := os.ReadFile(filepath.Join(root, ".ci/run"))
			if err != nil || !strings.Contains(string(ci), line) {
				t.Errorf("%q is not run by .ci/run (%v)", line, err)
			}
		}
		cmd := exec.CommandContext(t.Context(), "sh", "-e", "-c", command)
		cmd.Dir = root
		cmd.Env = append(os.Environ(), "DEMO_DIR="+t.TempDir())
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", line, err, out)
		}
	}
	for _, want := range []string{"make demo", "make test"} {
		if !slices.Contains(lines, want) {
			t.Errorf("README.md does not say %q", want)
		}
	}
}
