package nodebackup_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/railiance/railiance/tools/internal/guestbackup"
	"github.com/railiance/railiance/tools/internal/guestset"
	"github.com/railiance/railiance/tools/internal/mustrun"
	"github.com/railiance/railiance/tools/internal/nodetar"
	"github.com/railiance/railiance/tools/internal/pmxcfs"
	"github.com/railiance/railiance/tools/internal/pvetest"
)

// What a node has is in its archive, in each site, and nowhere else.
func TestNodes(t *testing.T) {
	w := newWorld(t)
	w.database(t, "baobab")
	odd := "etc/systemd/network/10-ünï \"$(touch pwned)\".link"
	w.write(t, filepath.Join(w.nodes.NodeDir("baobab"), odd), "[Match]\n")
	w.write(t, filepath.Join(w.nodes.NodeDir("baobab"), "root/.ssh/id_ed25519"), "a key")
	ok(t, os.Symlink("nodes/baobab", filepath.Join(w.nodes.NodeDir("baobab"), "etc/pve/local")))
	results, err := w.backup(t, t.Context(), "baobab", "ebony", "tapia")
	if err != nil || len(results) != 3 {
		t.Fatalf("%v: %+v\n%s", err, results, w.said)
	}
	plain, about, a := w.opened(t, "baobab")
	got := members(t, plain)
	for name, want := range map[string]string{
		"etc/pve/priv/authkey.key":           pvetest.NodeCanary,
		"etc/pve/storage.cfg":                "lvmthin: local-lvm",
		"etc/pve/local":                      "-> nodes/baobab",
		"etc/hostname":                       "baobab\n",
		"etc/network/interfaces":             "bridge-ports eno1",
		"etc/ssh/ssh_host_ed25519_key":       pvetest.NodeCanary + " of baobab",
		"etc/corosync/corosync.conf":         "ring0_addr",
		"root/.ssh/id_ed25519":               "a key",
		odd:                                  "[Match]",
		nodetar.Guide:                        "How baobab is built anew",
		nodetar.Commands + "/pveversion.txt": "pve-manager/9",
		nodetar.Commands + "/packages.txt":   "dpkg",
		nodetar.Commands + "/cmdline.txt":    "",
		nodetar.Commands + "/storages.txt":   "local",
		nodetar.Report:                       `"node": "baobab"`,
		nodetar.ConfigDB:                     "SQLite format 3",
	} {
		if content, there := got[name]; !there || !strings.Contains(content, want) {
			t.Errorf("%s: %t, %.200q", name, there, content)
		}
	}
	// The copy of the database has what was in its log alone.
	copied := filepath.Join(t.TempDir(), "config.db")
	ok(t, os.WriteFile(copied, []byte(got[nodetar.ConfigDB]), 0o600))
	f, err := os.Open(copied)
	ok(t, err)
	defer f.Close()
	if n, err := pmxcfs.Check(t.Context(), f); err != nil || n != 3 || a.Contents["config.db"] != 3 {
		t.Errorf("%d, %v, %v", n, err, a.Contents)
	}
	found, err := nodetar.Verify(strings.NewReader(string(plain)))
	if err != nil || found.Digest != about.Tar.Digest || found.Members != a.Contents["members"] || found.Members != about.Tar.Members {
		t.Errorf("%+v, %v, account %+v, %v", found, err, about.Tar, a.Contents)
	}
	if a.Source["pve"] != "9.2.11" || a.Source["node"] != "baobab" || a.Kind != "node-tar" {
		t.Errorf("%+v", a)
	}
	if one, two := w.files(t, "one", "ebony"), w.files(t, "two", "ebony"); len(one) != 4 || !slices.Equal(one, two) {
		t.Errorf("%q, %q", one, two)
	}
	w.nothingLeft(t)
	w.noSecrets(t)
}

// noSecrets looks for the secrets of nodes outside of them.
func (w *world) noSecrets(t *testing.T) {
	t.Helper()
	seen := 0
	ok(t, filepath.WalkDir(w.dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		if seen++; strings.Contains(string(b), pvetest.NodeCanary) {
			t.Errorf("%s holds a secret of a node", path)
		}
		return err
	}))
	if seen < 5 || strings.Contains(w.said.String(), pvetest.NodeCanary) {
		t.Errorf("%d files\n%s", seen, w.said)
	}
}

// nothingLeft looks for copies that stay on nodes.
func (w *world) nothingLeft(t *testing.T) {
	t.Helper()
	for _, node := range pvetest.Nodes() {
		left, err := filepath.Glob(filepath.Join(w.nodes.NodeDir(node), "run", "railiance*"))
		if err != nil || len(left) > 0 {
			t.Errorf("%s: %q, %v", node, left, err)
		}
	}
}

// What goes wrong on one node fails its backup, with a reason, leaves nothing,
// and is not the others' business; the day after it is good again.
func TestBadDays(t *testing.T) {
	const real = "exec /bin/tar"
	for name, c := range map[string]struct {
		harm func(t *testing.T, w *world, dir string)
		want string
	}{
		"node is down": {func(t *testing.T, w *world, _ string) { ok(t, w.nodes.StopNode("baobab")) }, "baobab: unreachable"},
		"/etc/pve is not mounted": {func(t *testing.T, w *world, dir string) {
			ok(t, os.Rename(filepath.Join(dir, "etc/pve"), filepath.Join(dir, "etc/pve.away")))
			ok(t, os.Mkdir(filepath.Join(dir, "etc/pve"), 0o755))
		}, "is pve-cluster running?"},
		"another node's /etc/pve": {func(t *testing.T, w *world, dir string) {
			ok(t, os.Rename(filepath.Join(w.nodes.Dir, "pve/nodes/baobab"), filepath.Join(w.nodes.Dir, "pve/nodes/nobody")))
		}, "did not send /etc/pve/nodes/baobab"},
		"no network": {func(t *testing.T, w *world, dir string) {
			ok(t, os.Remove(filepath.Join(dir, "etc/network/interfaces")))
		}, "did not send /etc/network/interfaces"},
		"tar is killed": {func(t *testing.T, w *world, _ string) {
			w.program(t, "baobab", "tar", "/bin/tar \"$@\" | head -c 20000\nkill -9 $$\n")
		}, "Killed"},
		"tar fails at its end": {func(t *testing.T, w *world, _ string) {
			w.program(t, "baobab", "tar", "/bin/tar \"$@\"\necho 'tar: etc/shadow: Cannot open: Input/output error' >&2\nexit 2\n")
		}, "Input/output error"},
		"tar ends early, and well": {func(t *testing.T, w *world, _ string) {
			w.program(t, "baobab", "tar", "/bin/tar \"$@\" | head -c 5000\n")
		}, "unexpected EOF"},
		"tar ends between two members": {func(t *testing.T, w *world, _ string) {
			// The file before the end, and what fills its last block.
			w.program(t, "baobab", "tar", "/bin/tar \"$@\" --blocking-factor=1 | head -c -1024\n")
		}, "without the mark of an end"},
		"tar says nothing": {func(t *testing.T, w *world, _ string) { w.program(t, "baobab", "tar", "cat >/dev/null\n") }, "without the mark of an end"},
		"a way out": {func(t *testing.T, w *world, _ string) {
			w.program(t, "baobab", "tar", real+" --transform 's,^etc/hosts$,etc/../../hosts,' \"$@\"\n")
		}, `sent "etc/../../hosts", which nobody asked for`},
		"another place": {func(t *testing.T, w *world, _ string) {
			w.program(t, "baobab", "tar", real+" --transform 's,^etc/hosts$,usr/bin/hosts,' \"$@\"\n")
		}, `sent "usr/bin/hosts", which nobody asked for`},
		"a member below a link": {func(t *testing.T, w *world, dir string) {
			ok(t, os.Symlink("/tmp", filepath.Join(dir, "etc/aa")))
			w.write(t, filepath.Join(dir, "etc/zz/file"), "")
			w.program(t, "baobab", "tar", real+" --transform 's,^etc/zz/file,etc/aa/file,' --sort=name \"$@\"\n")
		}, "lies below"},
		"the same twice": {func(t *testing.T, w *world, _ string) {
			w.program(t, "baobab", "tar", real+" --transform 's,^etc/hosts$,etc/fstab,' \"$@\"\n")
		}, "is there twice"},
		"no end": {func(t *testing.T, w *world, _ string) {
			w.program(t, "baobab", "tar", "/bin/tar \"$@\"\nexec cat /dev/zero\n")
		}, "goes on sending"},
		"config.db is damaged": {func(t *testing.T, w *world, dir string) {
			w.program(t, "baobab", "sqlite3", "for last; do :; done\nout=${last#*\\'}\nhead -c 4096 /dev/zero >\"${out%\\'}\"\n")
		}, "the copy of config.db"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			c.harm(t, w, w.nodes.NodeDir("baobab"))
			results, err := w.backup(t, t.Context(), "baobab")
			if !errors.Is(err, guestbackup.ErrFailed) || results["baobab"].Status != guestbackup.Failed {
				t.Fatalf("%v: %+v\n%s", err, results, w.said)
			}
			w.tells(t, c.want)
			for _, site := range []string{"one", "two"} {
				if files := w.files(t, site, "baobab"); len(files) > 0 {
					t.Errorf("%s holds %q", site, files)
				}
			}
			w.noSecrets(t)
		})
	}
}

type leftOut struct{ Name string }

// After a run that was cut off, or stopped, the next one finds a node as it was,
// and cleans up there.
func TestTheDayAfter(t *testing.T) {
	mustrun.Long(t)
	cut := func(w *world, _ func()) { _ = w.nodes.CutConnections("baobab") }
	for name, c := range map[string]struct {
		program, script string
		end             func(w *world, stop func())
	}{
		"cut off among the files":    {"tar", "/bin/tar \"$@\" | head -c 5000\n", cut},
		"cut off among the programs": {"lsblk", "", cut},
		"stopped":                    {"tar", "/bin/tar \"$@\" | head -c 5000\n", func(_ *world, stop func()) { stop() }},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			half := filepath.Join(w.nodes.NodeDir("baobab"), "half")
			w.program(t, "baobab", c.program, c.script+"touch "+half+"\nsleep 3\n")
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			go func() {
				for range 500 {
					if _, err := os.Stat(half); err == nil {
						c.end(w, stop)
						return
					}
					time.Sleep(20 * time.Millisecond)
				}
			}()
			results, err := w.backup(t, ctx, "baobab")
			if err == nil || results["baobab"].Status != guestbackup.Failed || len(w.files(t, "one", "baobab")) > 0 {
				t.Fatalf("%v: %+v\n%s", err, results, w.said)
			}
			ok(t, os.Remove(filepath.Join(w.nodes.NodeDir("baobab"), "bin", c.program)))
			time.Sleep(4 * time.Second) // whatever was left ends by itself
			w.now = w.now.Add(time.Hour)
			if results, err := w.backup(t, t.Context(), "baobab"); err != nil {
				t.Fatalf("%v: %+v\n%s", err, results, w.said)
			}
			w.nothingLeft(t)
		})
	}
}

// What is not as it should be, and still leaves a backup: each is told, in the
// manifest, in the account and in the report.
func TestOddities(t *testing.T) {
	mustrun.Long(t)
	for name, c := range map[string]struct {
		harm func(t *testing.T, w *world, dir string)
		want string // of what is told
		out  string // what is left out
	}{
		"files change under tar's hands": {func(t *testing.T, w *world, _ string) {
			w.program(t, "baobab", "tar", "/bin/tar \"$@\"\necho 'tar: etc/motd: file changed as we read it' >&2\nexit 1\n")
		}, "tar: etc/motd: file changed as we read it", ""},
		"junk in /etc/pve": {func(t *testing.T, w *world, dir string) {
			path := filepath.Join(dir, "etc/pve/junk\x1b[31m")
			w.write(t, path, "")
			ok(t, os.Truncate(path, 1<<30))
		}, "left out: etc/pve/junk", "etc/pve/junk"},
		"a pipe in /etc": {func(t *testing.T, w *world, dir string) {
			w.program(t, "baobab", "mkpipe", "exec mkfifo "+filepath.Join(dir, "etc/pipe")+"\n")
			ok(t, w.nodes.Command(t.Context(), "baobab", "mkpipe").Run())
		}, "", "etc/pipe"},
		"no database": {func(t *testing.T, w *world, dir string) {
			ok(t, os.Remove(filepath.Join(dir, nodetar.ConfigDB)))
		}, "without " + nodetar.ConfigDB + ": it is not there", nodetar.ConfigDB},
		"a database that cannot be copied": {func(t *testing.T, w *world, dir string) {
			w.write(t, filepath.Join(dir, "var/lib/pve-cluster/config.db"), "no database")
		}, "without " + nodetar.ConfigDB, nodetar.ConfigDB},
		"a full disk": {func(t *testing.T, w *world, dir string) {
			w.write(t, filepath.Join(dir, "var/lib/pve-cluster/config.db"), "whatever")
			w.program(t, "baobab", "mktemp", "echo 'mktemp: No space left on device' >&2\nexit 1\n")
		}, "No space left on device", nodetar.ConfigDB},
		"a program that is needed fails": {func(t *testing.T, w *world, _ string) {
			w.program(t, "baobab", "dpkg-query", "echo locked >&2\nexit 2\n")
		}, "dpkg-query -W did not answer", ""},
		"a program talks without end": {func(t *testing.T, w *world, _ string) {
			w.program(t, "baobab", "lsblk", "head -c 20000000 /dev/zero\n")
		}, "lsblk -J -b -O did not answer", ""},
		"a copy that a killed run left": {func(t *testing.T, w *world, dir string) {
			w.write(t, filepath.Join(dir, "run/railiance-host.dead/config.db"), "old")
			w.write(t, filepath.Join(dir, "run/railiance-host.dead/.lock"), "")
		}, "left by a run that was killed", ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			c.harm(t, w, w.nodes.NodeDir("baobab"))
			results, err := w.backup(t, t.Context(), "baobab")
			if err != nil {
				t.Fatalf("%v: %+v\n%s", err, results, w.said)
			}
			plain, about, _ := w.opened(t, "baobab")
			var report struct {
				LeftOut []leftOut
			}
			ok(t, json.Unmarshal([]byte(members(t, plain)[nodetar.Report]), &report))
			if c.out != "" {
				is := func(name string) bool { return strings.HasPrefix(name, c.out) }
				if !slices.ContainsFunc(report.LeftOut, func(out leftOut) bool { return is(out.Name) }) ||
					!slices.ContainsFunc(about.LeftOut, func(out guestset.LeftOut) bool { return is(out.Key) }) {
					t.Errorf("%+v, %+v", report, about.LeftOut)
				}
			}
			w.tells(t, c.want)
			if strings.Contains(w.said.String(), "\x1b") {
				t.Errorf("%q", w.said)
			}
			w.nothingLeft(t)
		})
	}
}
