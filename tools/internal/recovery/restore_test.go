package recovery_test

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/railiance/railiance/tools/internal/asset"
)

// restored holds the machine to what the set says, and to nothing else.
func (w *world) restored(kind string) {
	t := w.t
	t.Helper()
	for path, want := range map[string]string{
		"k3s data/server/token":               setToken + "\n",
		"k3s data/server/tls/server-ca.crt":   "of the set", // the recorded datastores hold no bootstrap data
		"k3s data/server/manifests/mine.yaml": "of the set",
		"etc/config.yaml":                     setConfig,
		"etc/k3s.service":                     "[Service]\nExecStart=/usr/local/bin/k3s \\\n    server \\\n    --node-ip \\\n    the-token-of-nobody\n",
		"k3s data/server/db/snapshots/kept":   "x",
	} {
		if got := w.read(path); got != want {
			t.Errorf("%s: %q, not %q", path, got, want)
		}
	}
	gone := []string{"etc/config.yaml.d/50-broken.yaml", "k3s data/server/railiance-restore", "k3s data/server/railiance-restore.json",
		"k3s data/server/db/state.db-wal", "k3s data/server/db/reset-flag", "k3s data/server/cred/passwd"}
	if kind == asset.KindEtcd {
		gone = append(gone, "k3s data/server/db/state.db")
	} else {
		gone = append(gone, "k3s data/server/db/etcd")
	}
	for _, path := range gone {
		if _, err := os.Lstat(filepath.Join(w.root, path)); err == nil {
			t.Errorf("%s is there", path)
		}
	}
	if n := counts(w.data)["/registry/namespaces/"]; n == 0 {
		t.Error("the datastore holds no namespace")
	}
	if !strings.Contains(w.read("home/kubeconfig"), "clusters:") {
		t.Error("the kubeconfig was not put back")
	}
	// What was there is kept, once.
	all := w.picture()
	for suffix, want := range map[string]string{
		"/db/etcd/member/snap/db": "etcd of today", "/db/state.db": "sqlite of today", "/db/state.db-wal": "stale log", "/files/token": hereToken,
		"/files/tls/server-ca.crt": "of today", "/files/config.yaml.d/50-broken.yaml": "disable: [traefik]\n",
	} {
		found := 0
		for name, text := range all {
			if strings.Contains(name, "railiance-before-") && strings.HasSuffix(name, suffix) && text == want {
				found++
			}
		}
		if found != 1 {
			t.Errorf("%s of before is kept %d times", suffix, found)
		}
	}
}

func kinds(t *testing.T, test func(t *testing.T, kind string)) {
	for _, kind := range []string{asset.KindEtcd, asset.KindStateDB} {
		t.Run(kind, func(t *testing.T) { t.Parallel(); test(t, kind) })
	}
}

// A restore puts the set in place, shows what differs without a secret, and can
// be taken back.
func TestRestoreAndBack(t *testing.T) {
	kinds(t, func(t *testing.T, kind string) {
		w := newWorld(t, kind)
		before := w.picture()
		code, out := w.run("railiance-restore-s2", nil, "apply", "--yes")
		if code != 0 {
			t.Fatalf("%d\n%s", code, out)
		}
		w.restored(kind)
		for _, want := range []string{
			"server token: changed since the set", "- tls-san[0]: new.example", "+ tls-san[0]: old.example", "+ etcd-s3-secret-key: (not shown)",
			"- token: (not shown)", "50-broken.yaml: not in the set: goes", `the set is of "k3s version v1.35.1+k3s1 (abc)"`, `of the machine "oldhost"`, "namespaces",
		} {
			if !strings.Contains(out, want) {
				t.Errorf("it does not say %q:\n%s", want, out)
			}
		}
		if told := strings.Contains(out, "the unit passes --node-ip,"); told != (kind == asset.KindEtcd) {
			t.Errorf("of the unit's flags:\n%s", out)
		}
		if code, out = w.run("railiance-restore-s2", nil, "apply", "--back", "--yes"); code != 0 {
			t.Fatalf("back: %d\n%s", code, out)
		}
		w.sameAs(before)
		if code, out = w.run("railiance-restore-s2", nil, "apply", "--back", "--yes"); code != 1 || !strings.Contains(out, "nothing to go back to") {
			t.Errorf("back twice: %d\n%s", code, out)
		}
	})
}

func (w *world) sameAs(before map[string]string) {
	w.t.Helper()
	now := withoutCopies(w.picture())
	if !maps.Equal(now, before) {
		w.t.Errorf("it is not as before:\n%q\n%q", slices.Sorted(maps.Keys(now)), slices.Sorted(maps.Keys(before)))
	}
	if _, err := os.Stat(filepath.Join(w.root, "running")); err != nil {
		w.t.Error("k3s, which ran before, does not run")
	}
}

// Killed at every entry of the journal, on every run anew, a restore comes to
// its end; a reboot that starts k3s in between does no harm.
func TestKilledAtEveryStep(t *testing.T) {
	kinds(t, func(t *testing.T, kind string) {
		for _, reboot := range []bool{false, true} {
			for die := 1; ; die++ {
				w := newWorld(t, kind)
				code, out := w.run("restore-to-death", []string{"DIE_AT=" + strconv.Itoa(die)})
				if code == 0 {
					if die < 10 {
						t.Errorf("there are only %d entries", die)
					}
					break
				}
				if code != -1 {
					t.Fatalf("at %d: %d\n%s", die, code, out)
				}
				if _, out := w.run("railiance-restore-s2", nil, "list"); !strings.Contains(out, "is under way") {
					t.Errorf("at %d the list does not tell of it:\n%s", die, out)
				}
				if reboot {
					w.run("systemctl", nil, "start", "k3s")
				}
				if code, out := w.run("railiance-restore-s2", nil, "apply", "--yes"); code != 0 {
					t.Fatalf("after %d it does not go on: %d\n%s", die, code, out)
				}
				w.restored(kind)
				if t.Failed() {
					t.Fatalf("killed at %d, reboot %v", die, reboot)
				}
			}
		}
	})
}

// Killed at every entry, a restore can be taken back, and that can be killed
// too.
func TestBackFromEveryStep(t *testing.T) {
	kinds(t, func(t *testing.T, kind string) {
		for die := 1; ; die++ {
			w := newWorld(t, kind)
			before := w.picture()
			if code, _ := w.run("restore-to-death", []string{"DIE_AT=" + strconv.Itoa(die)}); code == 0 {
				break
			}
			if code, out := w.run("restore-to-death", []string{"BACK=1", "DIE_AT=1"}); code != -1 {
				t.Fatalf("at %d: %d\n%s", die, code, out)
			}
			if code, out := w.run("railiance-restore-s2", nil, "apply", "--yes"); code != 1 || !strings.Contains(out, "being taken back") {
				t.Errorf("at %d a restore goes on in the middle of going back: %d\n%s", die, code, out)
			}
			if code, out := w.run("railiance-restore-s2", nil, "apply", "--back", "--yes"); code != 0 {
				t.Fatalf("at %d: %d\n%s", die, code, out)
			}
			w.sameAs(before)
			if t.Failed() {
				t.Fatalf("killed at %d", die)
			}
		}
	})
}

// Killed at any moment, a restore goes on, or back.
func TestKilledAnytime(t *testing.T) {
	kinds(t, func(t *testing.T, kind string) {
		const rounds = 6
		w := newWorld(t, kind)
		begin := time.Now()
		if code, out := w.run("railiance-restore-s2", nil, "apply", "--yes"); code != 0 {
			t.Fatalf("%d\n%s", code, out)
		}
		took := time.Since(begin)
		for i := range rounds {
			w := newWorld(t, kind)
			before := w.picture()
			for range 2 {
				cmd := exec.Command(filepath.Join(w.root, "bin", "railiance-restore-s2"), "apply", "--yes", "--layer", w.layer)
				cmd.Env = w.env
				cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
				ok(t, cmd.Start())
				time.Sleep(took * time.Duration(i+1) / (rounds + 1))
				_ = cmd.Process.Kill()
				_ = cmd.Wait()
			}
			if i%2 == 0 {
				if code, out := w.run("railiance-restore-s2", nil, "apply", "--yes"); code != 0 {
					t.Fatalf("round %d: %d\n%s", i, code, out)
				}
				if _, err := os.Stat(filepath.Join(w.data, "server/railiance-restore")); err == nil {
					t.Errorf("round %d: plaintext is left", i)
				}
				if got := w.read("k3s data/server/token"); got != setToken+"\n" {
					t.Errorf("round %d: token %q", i, got)
				}
				if n := counts(w.data)["/registry/namespaces/"]; n == 0 {
					t.Errorf("round %d: no datastore", i)
				}
				continue
			}
			for { // once for every restore that came to its end
				code, out := w.run("railiance-restore-s2", nil, "apply", "--back", "--yes")
				if strings.Contains(out, "nothing to go back to") {
					break
				}
				if code != 0 {
					t.Fatalf("round %d: %d\n%s", i, code, out)
				}
			}
			w.sameAs(before)
		}
	})
}
