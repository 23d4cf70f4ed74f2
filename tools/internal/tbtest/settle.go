package tbtest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

const (
	stillFor  = 2500 * time.Millisecond // longer than a hello and the smaller delays
	forgotten = 7 * time.Second         // max_age: what is not heard again is held to be true for so long
	patience  = 40 * time.Second
)

// Settle returns when spanning tree has come to rest.
func (r *Ring) Settle(ctx context.Context) error {
	begin := time.Now()
	r.mu.Lock()
	least := time.Duration(0)
	if r.disturbed {
		least = forgotten // silence is noticed only after a while
	}
	r.disturbed = false
	r.mu.Unlock()
	last, since := "", time.Now()
	for {
		states, err := r.states(ctx)
		if err != nil {
			return err
		}
		if states != last || strings.Contains(states, "listening") || strings.Contains(states, "learning") {
			last, since = states, time.Now()
		}
		if time.Since(since) >= stillFor && time.Since(begin) >= least+stillFor {
			return nil
		}
		if time.Since(begin) > patience {
			return fmt.Errorf("thunderbolt ring: does not come to rest:\n%s", states)
		}
		select {
		case <-ctx.Done():
			return errors.Join(errors.New("thunderbolt ring: stopped while it settles"), ctx.Err())
		case <-time.After(250 * time.Millisecond):
		}
	}
}

// states are the ports of all nodes with their states.
func (r *Ring) states(ctx context.Context) (string, error) {
	var b strings.Builder
	for _, n := range r.Nodes {
		out, err := n.Run(ctx, "", "bridge", "link")
		if err != nil {
			return "", err
		}
		b.WriteString(n.Name + ":\n" + out)
	}
	return b.String(), nil
}
