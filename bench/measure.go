package main

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"
)

// command is one side of a comparison.
type command struct {
	name  string
	args  []string
	env   []string     // KEY=value, on top of the environment
	reset func() error // before each run: what the run before left goes
	check func() error // after each run: it did what it is measured for
}

// cost is what a command took, with everything that it started and waited for.
type cost struct {
	wall, cpu time.Duration // cpu: user and system
	largest   int64         // bytes: the peak of the largest process, by the kernel's account
}

// result is the median of some runs, each column by itself, and the peaks.
type result struct {
	name string
	cost
	rounds int
	best   time.Duration // wall time of the fastest round, the one least disturbed
	tree   tree          // sampled in a run of its own
}

// contest runs the commands in turn, in changing order, and once more each for
// its memory: sampling takes time from what it watches. A single round is
// sampled itself, for it was too long for two.
func contest(ctx context.Context, rounds int, commands ...command) ([]result, error) {
	costs, trees := make([][]cost, len(commands)), make([]tree, len(commands))
	for round := range rounds {
		for i := range commands {
			if round%2 == 1 {
				i = len(commands) - 1 - i
			}
			var watch *tree
			if rounds == 1 {
				watch = &trees[i]
			}
			c, err := run(ctx, commands[i], watch)
			if err != nil {
				return nil, err
			}
			costs[i] = append(costs[i], c)
		}
	}
	var results []result
	for i, c := range commands {
		if rounds > 1 {
			if _, err := run(ctx, c, &trees[i]); err != nil {
				return nil, err
			}
		}
		results = append(results, result{name: c.name, cost: median(costs[i]), rounds: rounds, best: fastest(costs[i]), tree: trees[i]})
	}
	return results, nil
}

// run runs c once, from the same state each time: its input was read before,
// and nothing else waits to be written.
func run(ctx context.Context, c command, watch *tree) (cost, error) {
	if err := c.reset(); err != nil {
		return cost{}, fmt.Errorf("%s: %w", c.name, err)
	}
	syscall.Sync()
	cmd := exec.CommandContext(ctx, c.args[0], c.args[1:]...)
	cmd.Env = append(cmd.Environ(), c.env...)
	// A session of its own holds all that it starts, process groups or not.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	begin := time.Now()
	if err := cmd.Start(); err != nil {
		return cost{}, err
	}
	stop := watch.begin(cmd.Process.Pid)
	err := cmd.Wait()
	wall := time.Since(begin)
	stop()
	if err != nil {
		return cost{}, fmt.Errorf("%s: %w: %s", c.name, err, strings.TrimSpace(complaints.String()))
	}
	if err := c.check(); err != nil {
		return cost{}, fmt.Errorf("%s: %w: %s", c.name, err, strings.TrimSpace(complaints.String()))
	}
	usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		return cost{}, fmt.Errorf("%s: the system tells no resource usage", c.name)
	}
	return cost{
		wall:    wall,
		cpu:     cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(),
		largest: usage.Maxrss << 10,
	}, nil
}

func fastest(costs []cost) time.Duration {
	best := costs[0].wall
	for _, c := range costs {
		best = min(best, c.wall)
	}
	return best
}

func median(costs []cost) cost {
	var m cost
	slices.SortFunc(costs, func(a, b cost) int { return int(a.cpu - b.cpu) })
	m.cpu = costs[len(costs)/2].cpu
	slices.SortFunc(costs, func(a, b cost) int { return int(a.wall - b.wall) })
	m.wall = costs[len(costs)/2].wall
	for _, c := range costs {
		m.largest = max(m.largest, c.largest)
	}
	return m
}
