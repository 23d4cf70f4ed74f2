package pve

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/railiance/railiance/tools/internal/host"
	"github.com/railiance/railiance/tools/internal/tell"
)

// Locate is the guest of that number, where it is at this moment. A discovery
// may be old by the time that its turn comes.
func (c *Cluster) Locate(ctx context.Context, id int) (Guest, error) {
	if !validID(id) {
		return Guest{}, fmt.Errorf("guest %d: %w", id, ErrNoGuest)
	}
	var err error
	for range 3 { // it may move while we look
		var at []place
		if at, err = c.whereIs(ctx, id); err != nil {
			return Guest{}, err
		}
		for _, p := range at {
			var g Guest
			if g, err = c.guestAt(ctx, p); err == nil {
				return g, nil
			}
			if !errors.Is(err, ErrNoGuest) {
				return Guest{}, err
			}
		}
	}
	return Guest{}, err
}

// whereIs asks all nodes at once where a guest is; what most of them say comes
// first, and one that was just moved may be at any.
func (c *Cluster) whereIs(ctx context.Context, id int) ([]place, error) {
	answers := c.allPlaces(ctx)
	if ctx.Err() != nil {
		return nil, context.Cause(ctx) // that nobody answered then tells nothing
	}
	votes := map[place]int{}
	var found []place
	var all []error
	for _, a := range answers {
		if a.err != nil {
			all = append(all, a.err)
			continue
		}
		for _, p := range a.places {
			if p.ID == id {
				if votes[p]++; votes[p] == 1 {
					found = append(found, p)
				}
			}
		}
	}
	switch {
	case len(all) == len(answers):
		return nil, fmt.Errorf("guest %d: no node can be asked: %w", id, errors.Join(all...))
	case len(found) == 0 && len(all) > 0:
		return nil, fmt.Errorf("guest %d: %w, as far as the nodes know that can be asked: %w", id, ErrNoGuest, errors.Join(all...))
	case len(found) == 0:
		return nil, tell.Hint(fmt.Errorf("guest %d: %w", id, ErrNoGuest), "pve-vm-backup discover shows what there is")
	}
	slices.SortStableFunc(found, func(a, b place) int { return votes[b] - votes[a] })
	return found, nil
}

type placesOf struct {
	places []place
	err    error
}

func (c *Cluster) allPlaces(ctx context.Context) []placesOf {
	answers := make([]placesOf, len(c.Context.Nodes))
	var asks []func()
	for i, n := range c.Context.Nodes {
		asks = append(asks, func() { answers[i].places, answers[i].err = c.places(ctx, n.Name) })
	}
	each(asks)
	return answers
}

// guestAt is the guest that a node has. Its own word alone counts.
func (c *Cluster) guestAt(ctx context.Context, at place) (Guest, error) {
	g := Guest{ID: at.ID, Type: at.Type, Node: at.Node, Status: Unknown}
	var s settings
	var excludes []Exclusion
	err := together(
		func() (err error) {
			s, err = c.settings(ctx, g)
			return err
		},
		func() error {
			b, err := c.pvesh(ctx, at.Node, "/cluster/resources", "--type", "vm")
			if err != nil {
				return err
			}
			all, _, err := guests(b, "", at.Node)
			if err != nil {
				return fmt.Errorf("%s: pvesh get /cluster/resources: %w", at.Node, err)
			}
			if known := find(all, func(k Guest) bool { return k.ID == at.ID && k.Type == at.Type }); known != nil {
				g = *known
			}
			return nil
		},
		func() error {
			if at.Type == CT {
				excludes = c.exclusions(ctx, at.Node)
			}
			return nil
		},
	)
	if err != nil && ctx.Err() != nil {
		return Guest{}, context.Cause(ctx)
	}
	if missing(err) {
		return Guest{}, fmt.Errorf("guest %d: %w on %s, where it was just now", at.ID, ErrNoGuest, at.Node)
	}
	if err != nil {
		return Guest{}, err
	}
	g.Node = at.Node
	s.apply(&g)
	g.Excludes = excludes
	g.Leftover = leftover(g)
	return g, nil
}

// missing says whether err is how the programs tell that a node has no such
// guest.
func missing(err error) bool {
	var exit *host.ExitError
	return errors.As(err, &exit) && exit.Code == 2
}

// Config is the configuration of g as the programs print it, without its
// snapshots.
func (c *Cluster) Config(ctx context.Context, g Guest) (string, error) {
	b, err := c.ask(ctx, g.Node, program(g.Type), "config", strconv.Itoa(g.ID), "--current", "1")
	if missing(err) {
		err = fmt.Errorf("guest %d: %w on %s", g.ID, ErrNoGuest, g.Node)
	}
	return string(b), err
}

// Firewall is the firewall file of g; empty if it has none.
func (c *Cluster) Firewall(ctx context.Context, g Guest) (string, error) {
	b, err := c.ask(ctx, g.Node, "cat", fmt.Sprintf("/etc/pve/firewall/%d.fw", g.ID))
	var exit *host.ExitError
	if errors.As(err, &exit) && exit.Code == 1 && strings.Contains(exit.Stderr, "No such file") {
		return "", nil
	}
	return string(b), err
}

// program is the one that handles guests of that type.
func program(kind string) string {
	if kind == CT {
		return "pct"
	}
	return "qm"
}
