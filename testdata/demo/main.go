// Command demo is the main job from end to end, told as it goes: a k3s server
// with objects and Helm releases is backed up, verified, drilled, destroyed and
// restored, and everything that was there is compared with everything that came
// back. All of it happens in one folder; nothing outside is touched.
//
// The one thing to know: DEMO_SABOTAGE breaks one step on purpose, and the demo
// must then fail. A demo that cannot fail shows nothing.
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
	parts := flag.String("parts", "", "folder with k3s, systemctl, helm3, helm4")
	bin := flag.String("bin", "", "folder with our executables")
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
	w, err := settle(parts, bin, dir)
	if err != nil {
		return err
	}
	// Whatever happens, nothing of ours goes on running.
	defer func() {
		end, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		err = errors.Join(err, w.Exec(end, nil, nil, "systemctl", "stop", "k3s"))
	}()
	begin := time.Now()
	sabotaged := told.Sabotage{Before: breaks.before, What: breaks.what, Do: func(ctx context.Context) error { return breaks.do(ctx, w) }}
	if err := told.Run(ctx, steps(w), sabotaged); err != nil {
		return err
	}
	if sabotage != "" {
		fmt.Printf("\nnothing noticed the sabotage of %q\n", sabotage)
		return nil
	}
	fmt.Printf("\ndemo: done in %.0f s: every object and every release is equal\n", time.Since(begin).Seconds())
	return nil
}
