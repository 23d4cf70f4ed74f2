// Package told runs a demonstration as a person would: step by step, each
// command shown with what it says.
//
// The one thing to know: a Saboteur breaks something just before a step, which
// must then fail. A demonstration that cannot fail shows nothing.
package told

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

// Step is one thing that is shown.
type Step struct {
	Name  string // by which a Saboteur knows it
	Title string
	Do    func(context.Context) error
}

// Demo is a demonstration that happens in a world W.
type Demo[W any] struct {
	Parts     string // what is in the folder of real parts, for --help
	Settle    func(ctx context.Context, parts, bin, dir string) (W, error)
	Steps     func(W) []Step
	Saboteurs map[string]Saboteur[W] // by what DEMO_SABOTAGE calls them
	End       func(W) error          // after all steps, whatever happened
	Good      string                 // what is true when it ends well
}

// Saboteur breaks something just before a step, which must then notice.
type Saboteur[W any] struct {
	Before string // name of a Step
	What   string
	Do     func(context.Context, W) error
}

// Main is the program of a demonstration. It does not return.
func (d Demo[W]) Main() {
	parts := flag.String("parts", "", "folder with "+d.Parts)
	bin := flag.String("bin", "", "folder with our executables")
	dir := flag.String("dir", "", "folder to work in, empty")
	flag.Parse()
	if err := d.show(*parts, *bin, *dir, os.Getenv("DEMO_SABOTAGE")); err != nil {
		fmt.Fprintf(os.Stderr, "demo: FAILED: %v\n", err)
		os.Exit(1)
	}
	os.Exit(0)
}

func (d Demo[W]) show(parts, bin, dir, name string) (err error) {
	syscall.Umask(0o077)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	breaks, ok := d.Saboteurs[name]
	if !ok && name != "" {
		return fmt.Errorf("DEMO_SABOTAGE=%s is none of the steps that can be sabotaged", name)
	}
	w, err := d.Settle(ctx, parts, bin, dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.End(w)) }()
	begin := time.Now()
	if err := run(ctx, w, d.Steps(w), breaks); err != nil {
		return err
	}
	if name != "" {
		fmt.Printf("\nnothing noticed the sabotage of %q\n", name)
		return nil
	}
	fmt.Printf("\ndemo: done in %.0f s: %s\n", time.Since(begin).Seconds(), d.Good)
	return nil
}

// run runs the steps; the first that fails ends it. A saboteur of a step that is
// not there is an error.
func run[W any](ctx context.Context, w W, steps []Step, breaks Saboteur[W]) error {
	left := breaks.Before
	for i, s := range steps {
		if ctx.Err() != nil {
			return errors.New("interrupted")
		}
		fmt.Printf("\n== %d. %s\n", i+1, s.Title)
		if s.Name != "" && s.Name == left {
			left = ""
			fmt.Printf("   (sabotage: %s)\n", breaks.What)
			if err := breaks.Do(ctx, w); err != nil {
				return fmt.Errorf("sabotage itself failed: %w", err)
			}
		}
		at := time.Now()
		if err := s.Do(ctx); err != nil {
			return fmt.Errorf("step %d, %s: %w", i+1, s.Title, err)
		}
		fmt.Printf("   (%.1f s)\n", time.Since(at).Seconds())
	}
	if left != "" {
		return fmt.Errorf("there is no step %q to sabotage", left)
	}
	return nil
}
