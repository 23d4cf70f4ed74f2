package host

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"syscall"
)

// Children are the programs that run under a context and those made of it.
type Children struct {
	mu      sync.Mutex
	running map[*Process]struct{}
	over    bool
}

type childrenKey struct{}

// WithChildren returns a context whose programs are the Children.
func WithChildren(ctx context.Context) (context.Context, *Children) {
	c := &Children{running: map[*Process]struct{}{}}
	return context.WithValue(ctx, childrenKey{}, c), c
}

// childrenOf are those of ctx; nil: nobody counts them.
func childrenOf(ctx context.Context) *Children {
	c, _ := ctx.Value(childrenKey{}).(*Children)
	return c
}

// Names are what messages call those that run. Of one that runs elsewhere it is
// the machine: the connection is what is waited for.
func (c *Children) Names() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var names []string
	for p := range maps.Keys(c.running) {
		name := p.name
		if p.remote != nil {
			machine, _, _ := strings.Cut(name, ": ")
			name = "ssh " + machine
		}
		names = append(names, name)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Kill kills those that run, with their process groups, and lets no other begin.
// It is for a program that is about to exit: it asks nobody and waits for nothing.
func (c *Children) Kill() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.over = true
	for p := range c.running {
		_ = p.Signal(syscall.SIGKILL)
	}
}

// start starts p as one of them.
func (c *Children) start(p *Process) error {
	if c == nil {
		return p.cmd.Start()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over {
		return errors.New("not started: the program is ending")
	}
	if err := p.cmd.Start(); err != nil {
		return err
	}
	c.running[p] = struct{}{}
	return nil
}

// ended takes p from them.
func (c *Children) ended(p *Process) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.running, p)
}
