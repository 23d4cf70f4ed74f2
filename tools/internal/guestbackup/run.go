package guestbackup

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"

	"github.com/railiance/railiance/tools/internal/pve"
	"github.com/railiance/railiance/tools/internal/state"
	"github.com/railiance/railiance/tools/internal/store"
	"github.com/railiance/railiance/tools/internal/tell"
)

// Do backs the guests up: one at a time on each node, the nodes at once, as many
// of them as the policy allows. The results are in the order of the guests. The
// error is state.ErrHeld, ErrFailed, or why the run was stopped.
//
// complete says that these are all guests of the layer: only then does the run
// stamp that the layer is backed up.
func (r *Run) Do(ctx context.Context, guests []pve.Guest, complete bool) ([]Result, error) {
	return r.Hold(ctx, complete, r.Guests(guests))
}

// Guests is the deed of Do, for Hold.
func (r *Run) Guests(guests []pve.Guest) func(context.Context) []Result {
	return func(ctx context.Context) []Result { return r.all(ctx, guests) }
}

// Hold does the deeds one after the other, all under one lock and one stamp, as
// Do does its one.
func (r *Run) Hold(ctx context.Context, complete bool, deeds ...func(context.Context) []Result) ([]Result, error) {
	r.begun = r.Now()
	// Before every guest fails for it by itself.
	if err := os.MkdirAll(string(r.memory()), 0o700); err != nil {
		return nil, r.noState(err)
	}
	lock, err := r.lock()
	if err != nil {
		return nil, err
	}
	defer lock.Unlock()

	var results []Result
	for _, deed := range deeds {
		results = append(results, deed(ctx)...)
	}
	if ctx.Err() != nil {
		return results, fmt.Errorf("stopped: %w", context.Cause(ctx))
	}
	counts := map[string]int64{}
	for _, result := range results {
		if !result.OK() {
			return results, ErrFailed
		}
		counts[result.Status]++
		counts["bytes"] += result.Size
	}
	if !complete {
		return results, nil
	}
	return results, state.WriteStamp(r.Layer.Backups, state.BackupStamp, state.Stamp{
		Deed: "backup", Time: r.Now().UTC(), Seconds: r.Now().Sub(r.begun).Seconds(), Counts: counts,
	})
}

// noState is an error of the folder of what this machine remembers.
func (r *Run) noState(err error) error {
	return tell.Hint(err, "RAILIANCE_STATE names another folder than %s", r.Layer.State)
}

// lock is that of the layer on this machine.
func (r *Run) lock() (*state.Lock, error) {
	dir, err := store.MakeDir(r.Layer.Backups)
	if err != nil {
		return nil, err
	}
	lock, err := state.Acquire(dir.Path())
	if err != nil {
		return nil, err
	}
	if _, err := dir.Sweep(); err != nil { // drafts of stamps
		return nil, errors.Join(err, lock.Unlock())
	}
	return lock, nil
}

// all backs the guests up, those of each node in their order.
func (r *Run) all(ctx context.Context, guests []pve.Guest) []Result {
	parallel := r.Layer.Guests.Parallel
	if parallel == 0 {
		parallel = len(guests)
	}
	nodes := &nodes{slots: make(chan struct{}, max(1, parallel)), busy: map[string]chan struct{}{}}
	results := make([]Result, len(guests))
	queues := map[string][]int{}
	for i, g := range guests {
		queues[g.Node] = append(queues[g.Node], i)
	}
	var wg sync.WaitGroup
	for _, queue := range queues {
		wg.Go(func() {
			var later []int
			for _, i := range queue {
				if results[i] = r.one(ctx, guests[i], nodes, true); results[i].Status == putOff {
					later = append(later, i)
				}
			}
			for _, i := range later {
				results[i] = r.one(ctx, guests[i], nodes, false)
			}
		})
	}
	wg.Wait()
	return results
}

// nodes sees to it that one guest a node is dumped at a time: a second vzdump
// there would only wait, and hold its connection.
type nodes struct {
	slots chan struct{} // one for each node that may be busy at once

	mu   sync.Mutex
	busy map[string]chan struct{}
}

func (n *nodes) of(node string) chan struct{} {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.busy[node] == nil {
		n.busy[node] = make(chan struct{}, 1)
	}
	return n.busy[node]
}

func (n *nodes) hold(ctx context.Context, node string) error {
	select {
	case n.of(node) <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	select {
	case n.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		<-n.of(node)
		return context.Cause(ctx)
	}
}

func (n *nodes) release(node string) {
	<-n.slots
	<-n.of(node)
}
