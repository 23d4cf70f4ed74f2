package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"
)

const (
	starts    = 50
	startMost = 10 * time.Millisecond
	sizeMost  = 20_000_000 // bytes
)

// start measures how long an executable takes to do nothing.
func start(ctx context.Context, t *table, program string) error {
	info, err := os.Stat(program)
	if err != nil {
		return err
	}
	var took []time.Duration
	for range starts {
		begin := time.Now()
		if err := exec.CommandContext(ctx, program, "--version").Run(); err != nil {
			return fmt.Errorf("%s: %w", program, err)
		}
		took = append(took, time.Since(begin))
	}
	slices.Sort(took)
	middle := took[len(took)/2]
	t.expect(middle < startMost && info.Size() < sizeMost, "%s starts in %.1f ms (median of %d), %s",
		filepath.Base(program), middle.Seconds()*1000, starts, mb(info.Size()))
	return nil
}
