package pvetest

import (
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/railiance/railiance/tools/internal/vma"
)

// quiet is a world without sshds; its programs are started directly.
func quiet(t *testing.T) *World {
	t.Helper()
	program, err := os.Executable()
	must(t, err)
	w, err := New(filepath.Join(t.TempDir(), "world"), program)
	must(t, err)
	w.Second = 10 * time.Millisecond
	return w
}

// do runs a program to its end.
func do(t *testing.T, w *World, in []byte, node, program string, args ...string) (stdout []byte, stderr string, rc int) {
	t.Helper()
	c := w.Command(t.Context(), node, program, args...)
	var out, said bytes.Buffer
	c.Stdin, c.Stdout, c.Stderr = bytes.NewReader(in), &out, &said
	err := c.Run()
	if c.ProcessState == nil {
		t.Fatal(err)
	}
	return out.Bytes(), said.String(), c.ProcessState.ExitCode()
}

func fine(t *testing.T, w *World, in []byte, node, program string, args ...string) []byte {
	t.Helper()
	out, stderr, rc := do(t, w, in, node, program, args...)
	if rc != 0 {
		t.Fatalf("%s %q: %d, %s", program, args, rc, stderr)
	}
	return out
}

func machine(node string, id int) VM {
	return VM{ID: id, Node: node, Name: "web", Running: true, Net: true, Agent: true, Disks: []Disk{
		{Key: "scsi0", Size: 24 << 20, Random: 6 << 20, Text: 3 << 20}, {Key: "efidisk0", Size: 540672, Text: 9000},
	}}
}

func digest(t *testing.T, w *World, id int, key string) vma.Digest {
	t.Helper()
	path, err := w.DiskPath(id, key)
	must(t, err)
	f, err := os.Open(path)
	must(t, err)
	defer f.Close()
	d, _, err := vma.Sum(f)
	must(t, err)
	return d
}

// A vzdump that is killed leaves its lock behind; one whose reader goes away,
// or that is asked to end, does not.
func TestLockOfEndedJobs(t *testing.T) {
	w := quiet(t)
	must(t, w.AddVM(machine("baobab", 100)))
	lock := func() string {
		t.Helper()
		s, err := w.Key(100, "lock")
		must(t, err)
		return s
	}
	start := func() (*exec.Cmd, io.ReadCloser) {
		t.Helper()
		c := w.Command(t.Context(), "baobab", "vzdump", "100", "--stdout")
		out, err := c.StdoutPipe()
		must(t, err)
		must(t, c.Start())
		_, err = io.ReadFull(out, make([]byte, 100_000))
		must(t, err)
		if lock() != "backup" {
			t.Error("a job that runs holds no lock")
		}
		return c, out
	}
	c, out := start()
	must(t, out.Close())
	if err := c.Wait(); err == nil || lock() != "" {
		t.Errorf("the reader went away: %v, lock %q", err, lock())
	}
	c, _ = start()
	must(t, c.Process.Signal(syscall.SIGTERM))
	if err := c.Wait(); err == nil || lock() != "" {
		t.Errorf("asked to end: %v, lock %q", err, lock())
	}
	c, _ = start()
	must(t, c.Process.Kill())
	if err := c.Wait(); err == nil || lock() != "backup" {
		t.Errorf("killed: %v, lock %q", err, lock())
	}
	if out, stderr, rc := do(t, w, nil, "baobab", "vzdump", "100", "--stdout"); rc != 255 || len(out) > 0 || !strings.Contains(stderr, "VM is locked (backup)") {
		t.Errorf("%d, %s", rc, stderr)
	}
	fine(t, w, nil, "baobab", "qm", "unlock", "100")
	must(t, w.SetFault("vzdump-100", "die after 1000000 times 1"))
	if out, _, rc := do(t, w, nil, "baobab", "vzdump", "100", "--stdout"); rc != -1 || len(out) != 1_000_000 || lock() != "backup" {
		t.Errorf("%d after %d bytes, lock %q", rc, len(out), lock())
	}
	fine(t, w, nil, "baobab", "qm", "unlock", "100")
	fine(t, w, nil, "baobab", "vzdump", "100", "--stdout")
}

// One vzdump runs on a node; the second waits and says so.
func TestGlobalLock(t *testing.T) {
	w := quiet(t)
	must(t, w.AddVM(machine("baobab", 100)))
	must(t, w.AddVM(machine("baobab", 101)))
	must(t, w.SetFault("vzdump-100", "slow 100000"))
	first := w.Command(t.Context(), "baobab", "vzdump", "100", "--stdout")
	first.Stdout = io.Discard
	must(t, first.Start())
	for lock := ""; lock == ""; time.Sleep(time.Millisecond) {
		lock, _ = w.Key(100, "lock")
	}
	out, stderr, rc := do(t, w, nil, "baobab", "vzdump", "101", "--stdout")
	if rc != 0 || len(out) == 0 || !strings.HasPrefix(stderr, "INFO: trying to get global lock - waiting...\nINFO: got global lock\n") {
		t.Errorf("%d, %s", rc, stderr)
	}
	must(t, first.Wait())
}

// A reader that pauses stalls a guest that runs, unless fleecing is on.
func TestReaderStallsGuest(t *testing.T) {
	w := quiet(t)
	must(t, w.AddVM(machine("baobab", 100)))
	const pause = time.Second
	for _, test := range []struct {
		args   []string
		stalls bool
	}{{nil, true}, {[]string{"--fleecing", "enabled=1,storage=local"}, false}} {
		c := w.Command(t.Context(), "baobab", "vzdump", append([]string{"100", "--stdout"}, test.args...)...)
		out, err := c.StdoutPipe()
		must(t, err)
		must(t, c.Start())
		_, err = io.ReadFull(out, make([]byte, 2<<20))
		must(t, err)
		read := make(chan struct{})
		longest := make(chan time.Duration)
		// A guest writes all the time: one write may fall between two of vzdump's.
		go func() {
			var most time.Duration
			defer func() { longest <- most }()
			for {
				d, err := w.GuestWrite(100)
				if err != nil {
					t.Error(err)
					return
				}
				most = max(most, d)
				select {
				case <-read:
					return
				case <-time.After(time.Millisecond):
				}
			}
		}()
		time.Sleep(pause)
		_, err = io.Copy(io.Discard, out)
		close(read)
		must(t, err)
		if d := <-longest; (d > pause/2) != test.stalls {
			t.Errorf("%q: the guest waited %s", test.args, d)
		}
		must(t, c.Wait())
	}
}

// What the faults do is what their names say.
func TestFaults(t *testing.T) {
	w := quiet(t)
	must(t, w.AddVM(machine("baobab", 100)))
	whole := int64(len(fine(t, w, nil, "baobab", "vzdump", "100", "--stdout")))
	for line, want := range map[string]struct {
		size int64
		rc   int
	}{
		"exit 0 empty":         {0, 0},
		"exit 255 zstd":        {13, 255},
		"close after 70000":    {70000, 0},
		"fail after 70000":     {70000, 255},
		"truncate at extent 1": {-1, 0},
		"leftover job":         {whole, 0},
		"slow 1000000":         {whole, 0},
	} {
		must(t, w.SetFault("vzdump-100", line))
		out, stderr, rc := do(t, w, nil, "baobab", "vzdump", "100", "--stdout")
		if rc != want.rc || want.size >= 0 && int64(len(out)) != want.size {
			t.Errorf("%s: %d bytes and %d, want %+v: %s", line, len(out), rc, want, stderr)
		}
		if _, err := vma.Verify(bytes.NewReader(out)); (err == nil) != (want.size == whole) {
			t.Errorf("%s: verified: %v", line, err)
		}
		if lock, err := w.Key(100, "lock"); err != nil || lock != "" {
			t.Errorf("%s: lock %q, %v", line, lock, err)
		}
	}
	must(t, w.SetFault("vzdump-100", "hang after 70000"))
	c := w.Command(t.Context(), "baobab", "vzdump", "100", "--stdout")
	out, err := c.StdoutPipe()
	must(t, err)
	must(t, c.Start())
	_, err = io.ReadFull(out, make([]byte, 70000))
	must(t, err)
	more := make(chan int64)
	go func() {
		n, _ := io.Copy(io.Discard, out)
		more <- n
	}()
	select {
	case <-more:
		t.Error("a job that hangs came to an end")
	case <-time.After(100 * time.Millisecond):
	}
	must(t, c.Process.Signal(syscall.SIGTERM))
	if n := <-more; n != 0 {
		t.Errorf("%d more bytes", n)
	}
	if err := c.Wait(); err == nil {
		t.Error("it did well")
	}
	resources := []string{"get", "/cluster/resources", "--output-format", "json"}
	for line, want := range map[string]string{"truncate 20": `[{"cpu`, "garbage no json": "no json\n"} {
		must(t, w.SetFault("pvesh-baobab-cluster-resources", line))
		if out := fine(t, w, nil, "baobab", "pvesh", resources...); !strings.HasPrefix(string(out), want) || len(out) > 20 {
			t.Errorf("%s: %q", line, out)
		}
	}
	must(t, w.SetFault("pvesh-baobab-cluster-resources", "exit 255 no quorum"))
	if _, stderr, rc := do(t, w, nil, "baobab", "pvesh", resources...); rc != 255 || stderr != "no quorum\n" {
		t.Errorf("%d, %q", rc, stderr)
	}
}

// Another node that is offline is waited for, as long as the caller can bear.
func TestOfflineNodeHangs(t *testing.T) {
	w := quiet(t)
	w.Second = 0
	must(t, w.offline("tapia", true))
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if out, err := w.Command(ctx, "baobab", "pvesh", "get", "/nodes/tapia/qemu", "--output-format", "json").Output(); err == nil || ctx.Err() == nil {
		t.Errorf("%s, %v", out, err)
	}
	fine(t, w, nil, "baobab", "pvesh", "get", "/nodes/ebony/qemu", "--output-format", "json")
}

// Every run leaves a log in dumpdir, and a killed one its folder.
func TestLitter(t *testing.T) {
	w := quiet(t)
	must(t, w.AddVM(machine("baobab", 100)))
	dir := t.TempDir()
	names := func() string {
		entries, err := os.ReadDir(dir)
		must(t, err)
		var all []string
		for _, e := range entries {
			all = append(all, strings.TrimRight(filepath.Ext(e.Name()), "0123456789"))
		}
		slices.Sort(all)
		return strings.Join(all, " ")
	}
	fine(t, w, nil, "baobab", "vzdump", "100", "--stdout", "--dumpdir", dir)
	if got := names(); got != ".log" {
		t.Error(got)
	}
	must(t, w.SetFault("vzdump-100", "die after 1000"))
	_, _, _ = do(t, w, nil, "baobab", "vzdump", "100", "--stdout", "--dumpdir", dir)
	if got := names(); got != ".log .tmp" {
		t.Error(got)
	}
}
