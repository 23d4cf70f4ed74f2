package pve

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/railiance/railiance/tools/internal/clustercontext"
	"github.com/railiance/railiance/tools/internal/mustrun"
	"github.com/railiance/railiance/tools/internal/pvetest"
	"github.com/railiance/railiance/tools/internal/vma"
)

func folders(t *testing.T, w *pvetest.World) []string {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(w.Dir, "nodes", "*", "tmp", "railiance-vzdump.*"))
	ok(t, err)
	return all
}

func TestDump(t *testing.T) {
	w, c := world(t)
	ok(t, w.AddVM(pvetest.VM{ID: 100, Node: "baobab", Name: "web", Running: true, Disks: []pvetest.Disk{{Key: "scsi0", Size: 8 << 20, Random: 1 << 20, Text: 1 << 20}}}))
	ok(t, w.AddCT(pvetest.CT{ID: 200, Node: "ebony", Name: "db", Files: map[string]string{"srv/a": strings.Repeat("x", 100_000)}}))

	vm, err := c.Locate(soon(t), 100)
	ok(t, err)
	var b, seen bytes.Buffer
	log, err := c.Dump(soon(t), vm, DumpOptions{Fleecing: "local", BandwidthKiB: 1 << 20, Log: &seen}, &b)
	ok(t, err)
	if archive, err := vma.Verify(&b); err != nil || len(archive.Devices) != 1 {
		t.Errorf("%+v, %v", archive, err)
	}
	if !strings.Contains(log, "INFO: Backup job finished successfully") || seen.String() != log || !strings.Contains(log, "--fleecing") {
		t.Errorf("log:\n%s\nseen:\n%s", log, &seen)
	}

	ct, err := c.Locate(soon(t), 200)
	ok(t, err)
	b.Reset()
	log, err = c.Dump(soon(t), ct, DumpOptions{Mode: "stop", Fleecing: "local"}, &b)
	ok(t, err)
	if !bytes.Contains(b.Bytes(), []byte("./etc/vzdump/pct.conf")) || !strings.Contains(log, "mode stop") {
		t.Errorf("%d bytes, log:\n%s", b.Len(), log)
	}
	if left := folders(t, w); len(left) > 0 {
		t.Errorf("folders were left: %q", left)
	}
	calls, err := w.Calls()
	ok(t, err)
	if all := strings.Join(calls, "\n"); strings.Contains(all, "unlock") {
		t.Error(all)
	}
}

func TestDumpThatIsNone(t *testing.T) {
	w, c := world(t)
	disks := []pvetest.Disk{{Key: "scsi0", Size: 8 << 20, Random: 4 << 20}}
	ok(t, w.AddVM(pvetest.VM{ID: 100, Node: "baobab", Name: "web", Running: true, Disks: disks}))
	ok(t, w.AddVM(pvetest.VM{ID: 101, Node: "baobab", Name: "held", Lock: "backup", Disks: disks}))
	vm, err := c.Locate(soon(t), 100)
	ok(t, err)
	for name, f := range map[string]struct {
		fault, line string
		want        string
		is          error
	}{
		"nothing":      {"vzdump-100", "exit 0 empty", "", ErrNothing},
		"read error":   {"vzdump-100", "fail after 1000000", "vzdump 100", nil},
		"dies":         {"vzdump-100", "die after 1000000", "vzdump 100", nil},
		"dumpdir full": {"vzdump-baobab", "dumpdir full", "No space left on device", nil},
	} {
		t.Run(name, func(t *testing.T) {
			ok(t, w.SetFault(pvetest.Fault(f.fault), f.line))
			_, err := c.Dump(soon(t), vm, DumpOptions{}, io.Discard)
			ok(t, w.SetFault(pvetest.Fault(f.fault), ""))
			if err == nil || !strings.Contains(err.Error(), f.want) || f.is != nil && !errors.Is(err, f.is) {
				t.Errorf("%v", err)
			}
			ok(t, w.SetKey(100, "lock", "")) // what died has left it
		})
	}
	locked, err := c.Locate(soon(t), 101)
	ok(t, err)
	if _, err := c.Dump(soon(t), locked, DumpOptions{}, io.Discard); !errors.Is(err, ErrLocked) {
		t.Errorf("%v", err)
	}
	if lock, err := w.Key(101, "lock"); lock != "backup" || err != nil {
		t.Errorf("the lock is %q, %v", lock, err)
	}
	ok(t, w.Migrate(100, "tapia"))
	if _, err := c.Dump(soon(t), vm, DumpOptions{}, io.Discard); !errors.Is(err, ErrNothing) {
		t.Errorf("moved away: %v", err)
	}
	for _, o := range []DumpOptions{{Mode: "fast"}, {Fleecing: "a,b=$(id)"}} {
		if _, err := c.Dump(soon(t), vm, o, io.Discard); err == nil {
			t.Errorf("%+v was taken", o)
		}
	}
}

// Whoever wants the dump goes away: vzdump ends, and its lock with it, before
// Dump returns.
func TestDumpThatIsStopped(t *testing.T) {
	mustrun.Long(t)
	w, c := world(t)
	ok(t, w.AddVM(pvetest.VM{ID: 100, Node: "baobab", Name: "web", Running: true, Disks: []pvetest.Disk{{Key: "scsi0", Size: 32 << 20, Random: 32 << 20}}}))
	vm, err := c.Locate(soon(t), 100)
	ok(t, err)
	free := func(t *testing.T) {
		t.Helper()
		if lock, err := w.Key(100, "lock"); lock != "" || err != nil {
			t.Errorf("the lock is %q, %v", lock, err)
		}
		ok(t, w.Quiet(time.Second))
		// Where the connection is gone nobody waits for the last steps.
		for end := time.Now().Add(5 * time.Second); len(folders(t, w)) > 0; time.Sleep(10 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("folders were left: %q", folders(t, w))
			}
		}
		ok(t, w.SetFault("vzdump-100", ""))
	}

	t.Run("while it sends", func(t *testing.T) {
		ok(t, w.SetFault("vzdump-100", "slow 1000000"))
		ctx, stop := context.WithCancelCause(soon(t))
		_, err := c.Dump(ctx, vm, DumpOptions{}, &after{n: 500_000, then: func() error { stop(errors.New("enough")); return nil }})
		if err == nil || !strings.Contains(err.Error(), "enough") {
			t.Errorf("%v", err)
		}
		free(t)
	})
	t.Run("while it is silent", func(t *testing.T) {
		ok(t, w.SetFault("vzdump-100", "hang after 1000000"))
		ctx, stop := context.WithTimeout(soon(t), 3*time.Second)
		defer stop()
		began := time.Now()
		_, err := c.Dump(ctx, vm, DumpOptions{}, io.Discard)
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(began) > 10*time.Second {
			t.Errorf("%v after %s", err, time.Since(began))
		}
		free(t)
	})
	t.Run("by the store", func(t *testing.T) {
		full := errors.New("the store is full")
		_, err := c.Dump(soon(t), vm, DumpOptions{}, &after{n: 1_000_000, then: func() error { return full }})
		if !errors.Is(err, full) {
			t.Errorf("%v", err)
		}
		free(t)
	})
	t.Run("by the network", func(t *testing.T) {
		ok(t, w.SetFault("vzdump-100", "slow 1000000"))
		_, err := c.Dump(soon(t), vm, DumpOptions{}, &after{n: 500_000, then: func() error { return w.CutConnections("baobab") }})
		if err == nil || !strings.Contains(err.Error(), "connection lost") {
			t.Errorf("%v", err)
		}
		ok(t, w.Quiet(10*time.Second))
		free(t)
		if _, err := c.Dump(soon(t), vm, DumpOptions{}, io.Discard); err != nil {
			t.Errorf("the next one: %v", err)
		}
	})
}

// We are killed, with no time for anything: the system lets the leash go.
func TestDumpOfTheKilled(t *testing.T) {
	if path := os.Getenv("PVE_TEST_KILLED"); path != "" {
		contexts, err := clustercontext.Read(path)
		ok(t, err)
		c := &Cluster{Context: contexts.Clusters[0]}
		vm, err := c.Locate(soon(t), 100)
		ok(t, err)
		_, _ = c.Dump(soon(t), vm, DumpOptions{}, &after{n: 500_000, then: func() error { return syscall.Kill(os.Getpid(), syscall.SIGKILL) }})
		t.Fatal("still alive")
	}
	w, _ := world(t)
	ok(t, w.AddVM(pvetest.VM{ID: 100, Node: "baobab", Name: "web", Running: true, Disks: []pvetest.Disk{{Key: "scsi0", Size: 32 << 20, Random: 32 << 20}}}))
	ok(t, w.SetFault("vzdump-100", "hang after 1000000"))
	path := filepath.Join(t.TempDir(), "madagascar.json")
	ok(t, w.WriteContext(path))
	child := exec.Command(os.Args[0], "-test.run", "^TestDumpOfTheKilled$")
	child.Env = append(os.Environ(), "PVE_TEST_KILLED="+path)
	out, err := child.CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != -1 {
		t.Fatalf("%v: %s", err, out)
	}
	ok(t, w.Quiet(10*time.Second))
	if lock, err := w.Key(100, "lock"); lock != "" || err != nil {
		t.Errorf("the lock is %q, %v", lock, err)
	}
}

// after does something once when so many bytes have passed.
type after struct {
	n    int
	then func() error
}

func (a *after) Write(p []byte) (int, error) {
	if a.n -= len(p); a.n <= 0 && a.then != nil {
		then := a.then
		a.then = nil
		if err := then(); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}

// What a killed run has left on a node goes at the next one; what lives, or
// is not ours, stays.
func TestDumpSweepsItsFolders(t *testing.T) {
	w, c := world(t)
	ok(t, w.AddVM(pvetest.VM{ID: 100, Node: "baobab", Name: "web"}))
	tmp := filepath.Join(w.NodeDir("baobab"), "tmp")
	dead, err := os.MkdirTemp(tmp, "railiance-vzdump.")
	ok(t, err)
	strange, err := os.MkdirTemp(tmp, "railiance-vzdump.")
	ok(t, err)
	ok(t, os.WriteFile(filepath.Join(dead, ".lock"), nil, 0o600))
	vm, err := c.Locate(soon(t), 100)
	ok(t, err)
	log, err := c.Dump(soon(t), vm, DumpOptions{}, io.Discard)
	ok(t, err)
	if _, err := os.Stat(dead); err == nil || !strings.Contains(log, "railiance: removed "+dead) {
		t.Errorf("%s stayed; log:\n%s", dead, log)
	}
	if _, err := os.Stat(strange); err != nil {
		t.Error(err)
	}
	if len(Warnings(log)) != 1 {
		t.Errorf("%q", Warnings(log))
	}
}

// vzdump speaks while it cleans up. When nobody hears it any more, it must not
// die of that, since the guest would stay locked.
func TestVzdumpIsNotKilledByItsLog(t *testing.T) {
	bin := t.TempDir()
	done := filepath.Join(bin, "done")
	ok(t, os.WriteFile(filepath.Join(bin, "vzdump"), []byte(`#!/bin/sh
trap 'echo cleaning up >&2; echo more >&2; echo done > `+done+`; exit 1' TERM
echo ready >&2
while :; do sleep 0.1; done
`), 0o755))
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	t.Setenv("TMPDIR", bin)
	script := exec.Command("sh", "-c", dumpScript, "vzdump", "120", "100")
	leash, err := script.StdinPipe()
	ok(t, err)
	heard, err := script.StderrPipe()
	ok(t, err)
	ok(t, script.Start())
	b := make([]byte, 100)
	n, err := heard.Read(b)
	if string(b[:n]) != "ready\n" {
		t.Errorf("%q, %v", b[:n], err)
	}
	ok(t, errors.Join(heard.Close(), leash.Close()))
	if err := script.Wait(); err == nil {
		t.Error("it ended well")
	}
	if _, err := os.Stat(done); err != nil {
		t.Error(err)
	}
	if left, _ := filepath.Glob(filepath.Join(bin, "railiance-vzdump.*")); len(left) > 0 {
		t.Errorf("%q", left)
	}
}
