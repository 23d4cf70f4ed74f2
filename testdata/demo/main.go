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
	"os/signal"
	"syscall"
	"time"
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
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
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
		err = errors.Join(err, w.exec(end, nil, nil, "systemctl", "stop", "k3s"))
	}()
	begin := time.Now()
	for i, s := range steps(w) {
		if ctx.Err() != nil {
			return errors.New("interrupted")
		}
		fmt.Printf("\n== %d. %s\n", i+1, s.title)
		if s.name != "" && s.name == breaks.before {
			fmt.Printf("   (sabotage: %s)\n", breaks.what)
			if err := breaks.do(ctx, w); err != nil {
				return fmt.Errorf("sabotage itself failed: %w", err)
			}
		}
		at := time.Now()
		if err := s.do(ctx); err != nil {
			return fmt.Errorf("step %d, %s: %w", i+1, s.title, err)
		}
		fmt.Printf("   (%.1f s)\n", time.Since(at).Seconds())
	}
	if sabotage != "" {
		fmt.Printf("\nnothing noticed the sabotage of %q\n", sabotage)
		return nil
	}
	fmt.Printf("\ndemo: done in %.0f s: every object and every release is equal\n", time.Since(begin).Seconds())
	return nil
}
