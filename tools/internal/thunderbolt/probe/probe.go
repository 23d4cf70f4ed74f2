package probe

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/railiance/railiance/tools/internal/host"
	"github.com/railiance/railiance/tools/internal/thunderbolt"
)

const (
	// DefaultTimeout is how long a node may take to tell its state.
	DefaultTimeout = 10 * time.Second
	answerMax      = 8 << 20 // bytes; a node with a thousand interfaces sends two million
)

// Probe asks nodes.
type Probe struct {
	Plan    thunderbolt.Plan
	Reach   func(target string) host.Remote // how ssh gets to a target
	Timeout time.Duration                   // of each of the two rounds, for each node; 0: DefaultTimeout
	Now     func() time.Time

	// Wait is called once with what to tell who waits, where Diagnose looks again
	// for long; nil: nobody wants to know.
	Wait func(what string)
}

// Look asks the nodes called names, or all if there are none, all at once. What
// goes wrong with a node is in what was seen of it.
func (p *Probe) Look(ctx context.Context, names ...string) (thunderbolt.Observation, error) {
	seen := thunderbolt.Observation{}
	var nodes []thunderbolt.PlanNode
	for _, n := range p.Plan.Nodes {
		if len(names) == 0 || slices.Contains(names, n.Name) {
			nodes = append(nodes, n)
			seen[n.Name] = &thunderbolt.Seen{}
		}
	}
	talks := make([]*talk, len(nodes))
	everywhere(nodes, func(i int, n thunderbolt.PlanNode) { talks[i] = p.look(ctx, n, nodes, seen[n.Name]) })
	everywhere(nodes, func(i int, n thunderbolt.PlanNode) {
		if talks[i] != nil {
			p.pings(talks[i], nodes, seen[n.Name])
		}
	})
	return seen, context.Cause(ctx)
}

func everywhere(nodes []thunderbolt.PlanNode, do func(int, thunderbolt.PlanNode)) {
	var wg sync.WaitGroup
	for i, n := range nodes {
		wg.Go(func() { do(i, n) })
	}
	wg.Wait()
}

// look asks a node for its state, by the first of its hosts that answers. The
// talk that it returns waits to go on; nil: there is nobody to go on with.
func (p *Probe) look(ctx context.Context, n thunderbolt.PlanNode, nodes []thunderbolt.PlanNode, s *thunderbolt.Seen) *talk {
	for _, h := range n.Hosts {
		began := time.Now()
		t, err := begin(ctx, p.Reach(h.Target), func(word string) string { return script(word, p.Plan.Routed, p.targets(n, nodes)) })
		var text []byte
		if err == nil {
			text, err = t.until(p.timeout())
		}
		s.SSH = thunderbolt.SSH{Took: time.Since(began)}
		if err == nil {
			p.read(s, t.word, text)
			if s.Links != nil {
				return t
			}
			_ = t.end() // an answer that makes no sense is told by read
			return nil
		}
		s.SSH.Trouble, s.SSH.Said = trouble(err)
		// Another address may do where this one is not reached; a key that
		// changed is to be told, not to be walked around.
		if s.SSH.Trouble != thunderbolt.Silent && s.SSH.Trouble != thunderbolt.Refused {
			return nil
		}
	}
	return nil
}

func (p *Probe) timeout() time.Duration {
	if p.Timeout == 0 {
		return DefaultTimeout
	}
	return p.Timeout
}

var errTimeout = errors.New("no answer in time")

// targets are whom the node pings.
func (p *Probe) targets(n thunderbolt.PlanNode, nodes []thunderbolt.PlanNode) []pinged {
	var all []pinged
	for i, to := range nodes {
		if address, there := first(to); there && to.Name != n.Name {
			all = append(all, pinged{strconv.Itoa(i), address, p.Plan.Full(address)})
		}
	}
	return all
}

// pings lets a node ping all others, and counts what passed.
func (p *Probe) pings(t *talk, nodes []thunderbolt.PlanNode, s *thunderbolt.Seen) {
	// Where packets are lost each ping takes its time, and a second look.
	answer, err := t.finish(p.timeout() + time.Duration(len(nodes))*3*time.Second)
	if err != nil {
		_, said := trouble(err)
		s.Unread = append(s.Unread, "pings: "+said)
		return
	}
	parts := frames(string(answer), t.word)
	for i, to := range nodes {
		for _, size := range []string{"small", "full"} {
			text, there := parts[fmt.Sprintf("%s-%d", size, i)]
			if !there {
				continue
			}
			g, err := thunderbolt.ParsePing(string(text))
			if err != nil {
				s.Unread = append(s.Unread, fmt.Sprintf("ping to %s: %v", to.Name, err))
				continue
			}
			g.To, g.Full = to.Name, size == "full"
			s.Pings = append(s.Pings, g)
		}
	}
	if known, err := thunderbolt.ParseNeighbours(parts["neigh-after"]); err == nil {
		s.Neighbours = known
	}
	if after, err := thunderbolt.ParseLinks(parts["link-after"]); err == nil {
		s.Passed = map[string]thunderbolt.Counters{}
		for name, l := range after {
			s.Passed[name] = l.Passed.Since(s.Links[name].Passed)
		}
	}
}

func first(n thunderbolt.PlanNode) (netip.Addr, bool) {
	if len(n.Addresses) == 0 {
		return netip.Addr{}, false
	}
	return n.Addresses[0].Addr(), true
}
