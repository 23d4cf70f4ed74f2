package tools_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/railiance/railiance/tools/internal/pvetest"
)

const memoryMax = 100 << 20

// A guest of 4 GiB, of which more than one is content, is backed up, restored and
// extracted in less than 100 MB of memory.
func TestMemoryOfALargeGuest(t *testing.T) {
	if os.Getenv("MUST_RUN") == "" {
		t.Skip("writes gigabytes: MUST_RUN=1 runs it")
	}
	runGuests(t, "large", nil)
}

// grow makes the guest 500 with one disk: grow KEY SIZE TEXT RANDOM, in MiB.
func grow(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 4 {
		ts.Fatalf("usage: grow KEY SIZE TEXT RANDOM")
	}
	mib := func(s string) int64 {
		n, err := strconv.ParseInt(s, 10, 64)
		ts.Check(err)
		return n << 20
	}
	ts.Check(guestsOf(ts).AddVM(pvetest.VM{
		ID: 500, Node: "ebony", Name: "large", Disks: []pvetest.Disk{{Key: args[0], Size: mib(args[1]), Text: mib(args[2]), Random: mib(args[3])}},
	}))
}

var peakLine = regexp.MustCompile(`VmHWM:\s+(\d+) kB`)

// lean runs a program to a good end and sees how much memory it had at its peak.
// What the kernel tells of a child that ended would count the test that started
// it, so that it is asked while the program runs.
func lean(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: lean PROGRAM ARGUMENTS…")
	}
	g := guestsOf(ts)
	path := ""
	for _, dir := range filepath.SplitList(ts.Getenv("PATH")) {
		if _, err := os.Stat(filepath.Join(dir, args[0])); err == nil && path == "" {
			path = filepath.Join(dir, args[0])
		}
	}
	cmd := exec.Command(path, args[1:]...)
	cmd.Args[0], cmd.Dir = args[0], g.layer
	for _, name := range []string{"PATH", "HOME", "TMPDIR", "BACKUP_ROOT", "RAILIANCE_STATE"} {
		cmd.Env = append(cmd.Env, name+"="+ts.Getenv(name))
	}
	said, err := os.Create(filepath.Join(g.dir, "said"))
	ts.Check(err)
	defer said.Close()
	cmd.Stdout, cmd.Stderr = said, said
	ts.Check(cmd.Start())
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	peak := 0
	for running := true; running; {
		select {
		case err := <-ended:
			if b, _ := os.ReadFile(said.Name()); err != nil {
				ts.Fatalf("%v\n%s", err, b)
			}
			running = false
		case <-time.After(10 * time.Millisecond):
			b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", cmd.Process.Pid))
			if m := peakLine.FindSubmatch(b); m != nil {
				kib, err := strconv.Atoi(string(m[1]))
				ts.Check(err)
				peak = max(peak, kib<<10)
			}
		}
	}
	ts.Logf("%q: %d MB at the peak", args, peak/1_000_000)
	if peak == 0 || peak > memoryMax {
		ts.Fatalf("%q had %d bytes of memory at its peak", args, peak)
	}
}
