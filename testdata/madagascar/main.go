// Command madagascar is the main job of the guests from end to end, told as it
// goes: a Proxmox cluster of three nodes behind real sshds is discovered, backed
// up to a folder, to S3 and to WebDAV at once, verified, damaged, pruned, lost
// and restored. All of it happens in one folder; nothing outside is touched.
//
// The one thing to know: it runs below pveworld, which keeps the nodes up, and
// asks them and the stores' disks what is there, never the code that it shows.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"syscall"
	"time"

	"github.com/railiance/railiance/testdata/told"
)

func main() {
	parts := flag.String("parts", "", "folder with versitygw")
	bin := flag.String("bin", "", "folder with our executables, pveworld and sopsseal")
	dir := flag.String("dir", "", "folder to work in, empty")
	flag.Parse()
	if err := run(*parts, *bin, *dir, os.Getenv("DEMO_SABOTAGE")); err != nil {
		fmt.Fprintf(os.Stderr, "demo: FAILED: %v\n", err)
		os.Exit(1)
	}
}

func run(parts, bin, dir, sabotage string) (err error) {
	syscall.Umask(0o077)
	ctx, stop := told.Interrupted()
	defer stop()
	breaks, ok := saboteurs[sabotage]
	if !ok {
		return fmt.Errorf("DEMO_SABOTAGE=%s is none of the steps that can be sabotaged", sabotage)
	}
	w, err := settle(ctx, parts, bin, dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.end()) }()
	begin := time.Now()
	sabotaged := told.Sabotage{Before: breaks.before, What: breaks.what, Do: func(ctx context.Context) error { return breaks.do(ctx, w) }}
	if err := told.Run(ctx, steps(w), sabotaged); err != nil {
		return err
	}
	if sabotage != "" {
		fmt.Printf("\nnothing noticed the sabotage of %q\n", sabotage)
		return nil
	}
	fmt.Printf("\ndemo: done in %.0f s: every guest came back to the byte\n", time.Since(begin).Seconds())
	return nil
}
