// bench compares this backup with the shell pipeline that it replaces: wall
// time, CPU time and memory, as ratios. run.sh builds what it needs.
//
// The one thing to know: both sides act on the same input in one run and take
// turns, so the ratios hold where the machine is busy with other things, and
// the seconds do not.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
)

func main() {
	programs := flag.String("programs", "", "folder of our executables and age")
	parts := flag.String("parts", "", "folder of the real parts: k3s, helm3")
	dir := flag.String("dir", "", "an empty folder for all that is written")
	quick := flag.Bool("quick", false, "leave out what takes minutes")
	onlyGuests := flag.Bool("guests", false, "the guests of Proxmox instead of the cluster layer")
	strict := flag.Bool("strict", false, "fail where something is not as expected")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	t := &table{w: os.Stdout}
	var err error
	if *onlyGuests {
		err = guests(ctx, t, *programs, *dir, *quick)
	} else {
		err = bench(ctx, t, *programs, *parts, *dir, *quick)
	}
	if err == nil && *strict && t.missed > 0 {
		err = fmt.Errorf("%d results are not as expected", t.missed)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func bench(ctx context.Context, t *table, programs, parts, dir string, quick bool) error {
	machine(t)
	for _, program := range []string{"railiance-backup-s2", "railiance-restore-s2"} {
		if err := start(ctx, t, filepath.Join(programs, program)); err != nil {
			return err
		}
	}
	if err := snapshots(ctx, t, programs, filepath.Join(dir, "snapshot"), quick); err != nil {
		return err
	}
	return helm(ctx, t, programs, parts, filepath.Join(dir, "helm"), quick)
}

// machine says what the seconds depend on.
func machine(t *table) {
	load := "unknown"
	if b, err := os.ReadFile("/proc/loadavg"); err == nil {
		load, _, _ = strings.Cut(string(b), " ")
	}
	fmt.Fprintf(t.w, `%d cores, %s/%s, load average %s
wall, CPU: median of the rounds, CPU with everything that was started
all: all processes at their common peak, sampled every %s in a run of its own
largest: the peak of the largest process, by the kernel's account

`, runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, load, sampling)
}
