package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
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
	begin := time.Now()
	for range starts {
		if err := exec.CommandContext(ctx, program, "--version").Run(); err != nil {
			return fmt.Errorf("%s: %w", program, err)
		}
	}
	mean := time.Since(begin) / starts
	t.expect(mean < startMost && info.Size() < sizeMost, "%s starts in %.1f ms (mean of %d), %.1f MB",
		filepath.Base(program), mean.Seconds()*1000, starts, float64(info.Size())/1e6)
	return nil
}
