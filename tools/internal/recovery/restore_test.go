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
	"github.com/railiance/railiance/tools/internal/catalog"
	"github.com/railiance/railiance/tools/internal/mustrun"
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
		"etc/node/password":                   "password of the set",
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
	// k3s takes newer files for newer than what its datastore says of them.
	if info, err := os.Stat(filepath.Join(w.data, "server/tls/server-ca.crt")); err != nil || !info.ModTime().Equal(setTime) {
		t.Errorf("the certificates are of %v (%v)", info.ModTime(), err)
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
	mustrun.Long(t)
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
	mustrun.Long(t)
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

// again runs a program when the one before was killed: its lock may outlive it
// by the moment in which a child of it becomes another program.
func (w *world) again(args ...string) (int, string) {
	w.t.Helper()
	for begin := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		code, out := w.run("railiance-restore-s2", nil, args...)
		if code != 3 || time.Since(begin) > 5*time.Second {
			return code, out
		}
	}
}

// killed starts apply and kills it after a while.
func (w *world) killed(after time.Duration, args ...string) {
	w.t.Helper()
	cmd := exec.Command(filepath.Join(w.root, "bin", "railiance-restore-s2"), append(args, "--layer", w.layer)...)
	cmd.Env = w.env
	ok(w.t, cmd.Start())
	time.Sleep(after)
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
}

// On a machine that has nothing yet, a restore is killed at every entry and
// goes on; taken back, there is nothing again.
func TestFreshMachine(t *testing.T) {
	mustrun.Long(t)
	kinds(t, func(t *testing.T, kind string) {
		for die := 1; ; die++ {
			w := newWorld(t, kind)
			for _, path := range []string{"k3s data", "etc", "running"} {
				ok(t, os.RemoveAll(filepath.Join(w.root, path)))
			}
			before := w.picture()
			if code, _ := w.run("restore-to-death", []string{"DIE_AT=" + strconv.Itoa(die)}); code == 0 {
				break
			}
			if code, out := w.run("railiance-restore-s2", nil, "apply", "--yes"); code != 0 {
				t.Fatalf("killed at %d: %d\n%s", die, code, out)
			}
			if got := w.read("k3s data/server/token"); got != setToken+"\n" {
				t.Errorf("token %q", got)
			}
			if info, err := os.Stat(w.data); err != nil || info.Mode().Perm() != 0o755 {
				t.Errorf("data directory: %v, %v", info.Mode(), err)
			}
			if info, err := os.Stat(filepath.Join(w.data, "server")); err != nil || info.Mode().Perm() != 0o700 {
				t.Errorf("server folder: %v, %v", info.Mode(), err)
			}
			if code, out := w.run("railiance-restore-s2", nil, "apply", "--back", "--yes"); code != 0 {
				t.Fatalf("killed at %d, back: %d\n%s", die, code, out)
			}
			if now := withoutCopies(w.picture()); !maps.Equal(now, before) {
				t.Errorf("killed at %d: taken back, there is %q", die, slices.Sorted(maps.Keys(now)))
			}
			if _, err := os.Stat(filepath.Join(w.root, "running")); err == nil {
				t.Error("k3s, which did not run before, runs")
			}
		}
	})
}

// A going back that was killed between two renames does not take what it has
// put back for what the restore had made.
func TestBackHalfWay(t *testing.T) {
	t.Parallel()
	w := newWorld(t, asset.KindEtcd)
	before := w.picture()
	if code, out := w.run("railiance-restore-s2", nil, "apply", "--yes"); code != 0 {
		t.Fatalf("%d\n%s", code, out)
	}
	copies, err := filepath.Glob(filepath.Join(w.data, "server", "railiance-before-*"))
	if err != nil || len(copies) != 1 {
		t.Fatalf("%v, %v", copies, err)
	}
	etcd, stray := filepath.Join(w.data, "server/db/etcd"), filepath.Join(copies[0], "stray-1")
	ok(t, os.Mkdir(stray, 0o700))
	ok(t, os.Rename(etcd, filepath.Join(stray, "etcd")))
	ok(t, os.Rename(filepath.Join(copies[0], "db/etcd"), etcd))
	if code, out := w.run("railiance-restore-s2", nil, "apply", "--back", "--yes"); code != 0 {
		t.Fatalf("%d\n%s", code, out)
	}
	w.sameAs(before)
}

// A restore that is under way is ended before another set is.
func TestAnotherSetMeanwhile(t *testing.T) {
	t.Parallel()
	w := newWorld(t, asset.KindEtcd)
	if code, _ := w.run("restore-to-death", []string{"DIE_AT=5"}); code != -1 {
		t.Fatal(code)
	}
	later := time.Date(2026, 11, 21, 2, 0, 0, 0, time.UTC)
	w.set(later, 2, asset.KindStateDB, w.signer, w.key.Recipient())
	code, out := w.again("apply", "--yes", "--at", later.Format(catalog.TimeLayout))
	if code != 1 || !strings.Contains(out, "is under way, not of") {
		t.Errorf("%d\n%s", code, out)
	}
	if code, out := w.run("railiance-restore-s2", nil, "apply", "--yes"); code != 0 {
		t.Errorf("%d\n%s", code, out)
	}
	w.restored(asset.KindEtcd)
}

// A reset does not outlive the restore that started it.
func TestKilledReset(t *testing.T) {
	t.Parallel()
	w := newWorld(t, asset.KindEtcd)
	w.write("slow", "")
	cmd := exec.Command(filepath.Join(w.root, "bin", "railiance-restore-s2"), "apply", "--yes", "--layer", w.layer)
	cmd.Env = w.env
	ok(t, cmd.Start())
	pid := 0
	for begin := time.Now(); pid == 0; time.Sleep(time.Millisecond) {
		if b, err := os.ReadFile(filepath.Join(w.root, "pid")); err == nil {
			pid, _ = strconv.Atoi(string(b))
		}
		if time.Since(begin) > time.Minute {
			t.Fatal("no reset begins")
		}
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	for begin := time.Now(); syscall.Kill(pid, 0) == nil; time.Sleep(time.Millisecond) {
		if time.Since(begin) > 5*time.Second {
			t.Fatal("k3s server --cluster-reset goes on by itself")
		}
	}
	ok(t, os.Remove(filepath.Join(w.root, "slow")))
	if code, out := w.again("apply", "--yes"); code != 0 {
		t.Errorf("%d\n%s", code, out)
	}
}

// Killed at any moment, a restore goes on, or back.
func TestKilledAnytime(t *testing.T) {
	mustrun.Long(t)
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
				w.killed(took*time.Duration(i+1)/(rounds+1), "apply", "--yes")
			}
			if i%2 == 0 {
				if code, out := w.again("apply", "--yes"); code != 0 {
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
			for range 4 {
				w.killed(took*time.Duration(i+1)/(rounds+1)/2, "apply", "--back", "--yes")
			}
			for { // once for every restore that came to its end
				code, out := w.again("apply", "--back", "--yes")
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
