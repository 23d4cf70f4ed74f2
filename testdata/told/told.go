// Package told runs a demonstration as a person would: step by step, each
// command shown with what it says.
//
// The one thing to know: a Sabotage breaks something just before a step, which
// must then fail. A demonstration that cannot fail shows nothing.
package told

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// Step is one thing that is shown.
type Step struct {
	Name  string // by which a Sabotage knows it
	Title string
	Do    func(context.Context) error
}

// Sabotage breaks something. The zero Sabotage breaks nothing.
type Sabotage struct {
	Before string // name of a Step
	What   string
	Do     func(context.Context) error
}

// Run runs the steps; the first that fails ends it. A sabotage of a step that is
// not there is an error.
func Run(ctx context.Context, steps []Step, breaks Sabotage) error {
	left := breaks.Before
	for i, s := range steps {
		if ctx.Err() != nil {
			return errors.New("interrupted")
		}
		fmt.Printf("\n== %d. %s\n", i+1, s.Title)
		if s.Name != "" && s.Name == left {
			left = ""
			fmt.Printf("   (sabotage: %s)\n", breaks.What)
			if err := breaks.Do(ctx); err != nil {
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

// Interrupted is a context that ends when somebody wants the program to end.
func Interrupted() (context.Context, context.CancelFunc) {
	return signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
}
