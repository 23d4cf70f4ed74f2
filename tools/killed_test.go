package tools_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/railiance/railiance/tools/internal/catalog"
	"github.com/railiance/railiance/tools/internal/fake"
	"github.com/railiance/railiance/tools/internal/layertest"
	"github.com/railiance/railiance/tools/internal/mustrun"
	"github.com/railiance/railiance/tools/internal/sign"
	"github.com/railiance/railiance/tools/internal/store"
)

// bench is a cluster and its backups for tests that are loops, not scripts.
type bench struct {
	fake.Cluster
	root, sets, state string
	now               time.Time
}

func newBench(t *testing.T, keep int) *bench {
	t.Helper()
	dir := scratch(t)
	c, err := fake.NewCluster(filepath.Join(dir, "world"))
	if err != nil {
		t.Fatal(err)
	}
	if err := c.UseSmall(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(c.Layer(), "layer.yaml")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(b, []byte("keep: {last: 7}")) {
		t.Fatal("layer.yaml does not keep the last 7")
	}
	fewer := bytes.Replace(b, []byte("keep: {last: 7}"), fmt.Appendf(nil, "keep: {last: %d}", keep), 1)
	if err := os.WriteFile(path, fewer, 0o600); err != nil {
		t.Fatal(err)
	}
	root := filepath.Join(dir, "backups")
	return &bench{c, root, filepath.Join(root, "cluster"), filepath.Join(dir, "state"), time.Date(2026, 1, 1, 2, 0, 0, 0, time.UTC)}
}

// scratch is a folder in memory where there is one: hundreds of runs would wait
// for a disk at every fsync.
func scratch(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "railiance-test-*")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// command is a program of ours on the bench, an hour after the last one.
func (b *bench) command(program string, args ...string) (*exec.Cmd, *bytes.Buffer) {
	b.now = b.now.Add(time.Hour)
	cmd := exec.Command(program, append(args, "--layer", b.Layer())...)
	cmd.Env = append(b.Env(), "PATH="+os.Getenv("PATH"), "BACKUP_ROOT="+b.root, "RAILIANCE_STATE="+b.state, b.clock())
	out := &bytes.Buffer{}
	cmd.Stdout, cmd.Stderr = out, out
	return cmd, out
}

func (b *bench) clock() string { return "LAYERTEST_CLOCK=" + b.now.Format(time.RFC3339) }

// run runs a program to a good end.
func (b *bench) run(t *testing.T, program string, args ...string) string {
	t.Helper()
	cmd, out := b.command(program, args...)
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s %q: %v\n%s", program, args, err, out)
	}
	return out.String()
}

// whole are the sets whose signature and artifacts are all good, the newest
// first.
func (b *bench) whole(t *testing.T) []catalog.Set {
	t.Helper()
	dir, err := store.OpenDir(b.sets)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	trust, err := sign.LoadTrust(filepath.Join(b.Repo(), "allowed_signers"))
	if err != nil {
		t.Fatal(err)
	}
	sets, _, err := catalog.Read(context.Background(), dir, trust)
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(sets, func(s catalog.Set) bool {
		return slices.ContainsFunc(s.Artifacts, func(a catalog.Artifact) bool {
			return catalog.VerifyArtifact(context.Background(), dir, a) != nil
		})
	})
}

// leftovers are drafts, notes and plaintext.
func (b *bench) leftovers(t *testing.T) []string {
	t.Helper()
	found, err := layertest.Leftovers(b.sets, []string{
		filepath.Join(b.state, ".draft-*"),
		filepath.Join(b.DataDir(), "server", "db", "snapshots", "railiance-*"),
		filepath.Join(b.DataDir(), "server", "db", "railiance-*"),
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// strays are the files in the folder that belong to no whole set.
func (b *bench) strays(t *testing.T) []string {
	t.Helper()
	files, err := os.ReadDir(b.sets)
	if err != nil {
		t.Fatal(err)
	}
	sets := b.whole(t)
	var names []string
	for _, file := range files {
		ours := slices.ContainsFunc(sets, func(s catalog.Set) bool { return catalog.BelongsTo(file.Name(), s.Time) })
		if !ours && !slices.Contains([]string{".lock", ".last-backup", ".last-verify", "RESTORE.md"}, file.Name()) {
			names = append(names, file.Name())
		}
	}
	return names
}

// lost are the sets of before that are not whole any more, without those that
// a newer whole set let go.
func lost(before, after []catalog.Set) []string {
	var names []string
	for _, s := range before {
		still := slices.ContainsFunc(after, func(now catalog.Set) bool { return now.SHA256 == s.SHA256 })
		let := len(after) > 0 && after[0].Sequence > before[0].Sequence && slices.Contains(after[0].Prunes, s.Name())
		if !still && !let {
			names = append(names, s.Name())
		}
	}
	return names
}

// A run that dies between any two of its writes leaves the older sets whole,
// and the next run finds nothing that it cannot clean up by itself.
func TestKilledBetweenAnyTwoWrites(t *testing.T) {
	mustrun.Long(t)
	for _, c := range []struct {
		name   string
		sqlite bool
		first  bool // nothing was ever backed up
		least  int  // changes that a run must be seen to make
	}{
		{name: "etcd", least: 60},
		{name: "state-db", sqlite: true, least: 60},
		{name: "first run", first: true, least: 40},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, 2)
			if c.sqlite {
				if err := b.UseSQLite(); err != nil {
					t.Fatal(err)
				}
			}
			if !c.first {
				b.run(t, "railiance-backup-s2")
				b.run(t, "railiance-backup-s2")
			}
			n := 1
			for ; ; n++ {
				if c.first {
					if err := os.RemoveAll(b.root); err != nil {
						t.Fatal(err)
					}
					if err := os.RemoveAll(b.state); err != nil {
						t.Fatal(err)
					}
				}
				if !b.killed(t, n) {
					break
				}
			}
			// What the loop held against the files, the program holds against its
			// chain and its memory.
			if out := b.run(t, "railiance-restore-s2", "verify"); strings.Contains(out, "warning:") {
				t.Fatalf("verify says\n%s", out)
			}
			if n < c.least {
				t.Fatalf("the run made %d changes, and should make %d at the least: the loop does not see them", n-1, c.least)
			}
			t.Logf("killed at each of %d changes", n-1)
		})
	}
}

// killed kills a run before its nth change and has the next one follow. It
// returns false when a run ends before that.
func (b *bench) killed(t *testing.T, n int) bool {
	t.Helper()
	before := b.whole(t)
	cmd, said := b.command("railiance-backup-s2")
	// Pipes would need goroutines that wait; a traced program waits for us.
	every := os.Getenv("EVERY_WRITE") != ""
	log, err := os.CreateTemp(t.TempDir(), "log")
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	at, err := layertest.Kill(cmd, n, every, b.root, b.state, filepath.Join(b.DataDir(), "server", "db"))
	if err != nil {
		told, _ := os.ReadFile(log.Name())
		t.Fatalf("change %d: %v\n%s%s", n, err, told, said)
	}
	if at == "" {
		return false
	}
	if err := fake.Quiet(b.World(), 10*time.Second); err != nil {
		t.Fatal(err)
	}
	if gone := lost(before, b.whole(t)); len(gone) > 0 {
		t.Fatalf("killed at change %d, %s: lost %q", n, at, gone)
	}
	out := b.run(t, "railiance-backup-s2")
	if !strings.Contains(out, ", complete") || strings.Contains(out, "error:") {
		t.Fatalf("killed at change %d, %s: the next run says\n%s", n, at, out)
	}
	if found := b.leftovers(t); len(found) > 0 {
		t.Fatalf("killed at change %d, %s: the next run left %q", n, at, found)
	}
	if strays := b.strays(t); len(strays) > 0 {
		t.Fatalf("killed at change %d, %s: the next run left %q", n, at, strays)
	}
	return true
}
