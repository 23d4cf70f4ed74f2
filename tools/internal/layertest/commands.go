package layertest

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"
)

// usage ends a script whose command is called with another number of
// arguments than from least to most.
func usage(ts *testscript.TestScript, neg, mayNeg bool, args []string, least, most int, text string) {
	if neg && !mayNeg || len(args) < least || len(args) > most {
		ts.Fatalf("usage: %s", text)
	}
}

// exits runs a program and compares its exit status: exits STATUS PROGRAM ARG...
func exits(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, false, args, 2, 99, "exits STATUS PROGRAM ARG...")
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	var exit *exec.ExitError
	if err := ts.Exec(args[1], args[2:]...); errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit status %d, want %d", got, want)
	}
}

// clock sets the clock of the programs, or moves it: clock 2026-11-21T02:00:00Z,
// clock +24h, clock real.
func clock(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, false, args, 1, 1, "clock TIME|DURATION|real")
	if args[0] == "real" {
		ts.Setenv(clockVariable, "")
		return
	}
	if by, err := time.ParseDuration(args[0]); err == nil {
		at, err := time.Parse(time.RFC3339, ts.Getenv(clockVariable))
		ts.Check(err)
		ts.Setenv(clockVariable, at.Add(by).Format(time.RFC3339))
		return
	}
	_, err := time.Parse(time.RFC3339, args[0])
	ts.Check(err)
	ts.Setenv(clockVariable, args[0])
}

// hold takes the lock in a folder until the script ends, as another run would.
func hold(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, false, args, 1, 1, "hold FOLDER")
	f, err := os.OpenFile(filepath.Join(ts.MkAbs(args[0]), ".lock"), os.O_RDWR|os.O_CREATE, 0o600)
	ts.Check(err)
	ts.Check(unix.Flock(int(f.Fd()), unix.LOCK_EX))
	_, err = f.WriteString("pid 4711 since 2026-11-21T02:00:00Z\n")
	ts.Check(err)
	ts.Defer(func() { _ = f.Close() })
}

// artifact sets a variable to the artifact of an asset in the newest set, or in
// the one N sets before: artifact VARIABLE ASSET [N].
func artifact(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, false, args, 2, 3, "artifact VARIABLE ASSET [N]")
	nth(ts, args[0], filepath.Join(ts.Getenv("SETS"), args[1]+"-[0-9]*.age"), args[2:])
}

// manifest sets a variable to the newest manifest, or to the one N before.
func manifest(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, false, args, 1, 2, "manifest VARIABLE [N]")
	nth(ts, args[0], filepath.Join(ts.Getenv("SETS"), "manifest-*.json"), args[1:])
}

// nth sets a variable to the last file of a pattern, by name, or the one n
// before.
func nth(ts *testscript.TestScript, variable, pattern string, n []string) {
	back := 0
	if len(n) > 0 {
		var err error
		back, err = strconv.Atoi(n[0])
		ts.Check(err)
	}
	files, err := filepath.Glob(pattern)
	ts.Check(err)
	slices.Sort(files)
	if back >= len(files) {
		ts.Fatalf("%s: there are %d", pattern, len(files))
	}
	ts.Setenv(variable, files[len(files)-1-back])
}

// sets counts the signed manifests.
func sets(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, false, args, 1, 1, "sets NUMBER")
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	files, err := filepath.Glob(filepath.Join(ts.Getenv("SETS"), "manifest-*.json.sig"))
	ts.Check(err)
	if len(files) != want {
		ts.Fatalf("there are %d sets, want %d:\n%s", len(files), want, strings.Join(files, "\n"))
	}
}

// mount puts a file system in memory over a folder until the script ends:
// mount FOLDER SIZE.
func mount(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, false, args, 2, 2, "mount FOLDER SIZE")
	unmount, err := Mount(ts.MkAbs(args[0]), args[1])
	ts.Check(err)
	ts.Defer(unmount)
}

// Mount puts a file system in memory of that size (16m) over a folder and
// returns what takes it away. It needs root.
func Mount(dir, size string) (unmount func(), err error) {
	if err := unix.Mount("railiance-test", dir, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=0700,size="+size); err != nil {
		return nil, err
	}
	return func() { _ = unix.Unmount(dir, unix.MNT_DETACH) }, nil
}
