package pve

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/railiance/railiance/tools/internal/host"
	"github.com/railiance/railiance/tools/internal/tell"
)

const (
	timeoutDefault = 30 * time.Second
	// answerMax bounds what is kept of one answer, in bytes: a thousand guests
	// take half of one of its megabytes.
	answerMax = 8 << 20
)

// way is how a node was reached, and what it said of itself then.
type way struct {
	host.Remote
	membership
}

// remote is the first way to the node of that name that works, and that leads
// to the node of that name: else a slip in the context would take the guests of
// another. What was found is remembered.
func (c *Cluster) remote(ctx context.Context, node string) (way, error) {
	c.mu.Lock()
	known, found := c.good[node]
	c.mu.Unlock()
	if found {
		return known, nil
	}
	n, err := c.Context.Node(node)
	if err != nil {
		return way{}, tell.Hint(err, "add it to the cluster context: what is not there is not backed up")
	}
	var all []error
	for _, to := range n.Hosts {
		w := way{Remote: host.Remote{Target: to.Target}}
		if c.Connections != nil {
			w.Remote = c.Connections.Remote(to.Target)
		}
		w.Options = c.Options
		if w.membership, err = c.knock(ctx, node, w.Remote); err != nil {
			all = append(all, err)
			if ctx.Err() != nil {
				return way{}, context.Cause(ctx)
			}
			continue
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.good == nil {
			c.good = map[string]way{}
		}
		c.good[node] = w
		return w, nil
	}
	return way{}, errors.Join(all...)
}

// knock asks the machine behind r who it is.
func (c *Cluster) knock(ctx context.Context, node string, r host.Remote) (membership, error) {
	b, err := output(ctx, r, c.timeout(), "pvesh", "get", "/cluster/status", "--output-format", "json")
	if err != nil {
		return membership{}, err
	}
	m, err := readStatus(b)
	switch {
	case err != nil:
		return m, fmt.Errorf("%s: pvesh get /cluster/status: %w", r.Target, err)
	case m.self != node:
		return m, tell.Hint(fmt.Errorf("%s: calls itself %s, and the cluster context calls it %s", r.Target, m.self, node),
			"the nodes of the cluster context need the names that Proxmox has for them, and hosts of their own")
	}
	return m, nil
}

// forget drops the way to a node that broke, so that the next question looks
// for one that works.
func (c *Cluster) forget(node string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.good, node)
}

func (c *Cluster) timeout() time.Duration {
	if c.Timeout > 0 {
		return c.Timeout
	}
	return timeoutDefault
}

// ask runs a short program on a node and returns what it printed.
func (c *Cluster) ask(ctx context.Context, node string, args ...string) ([]byte, error) {
	return c.askFor(ctx, c.timeout(), node, args...)
}

// askFor is ask of a program that may take until limit.
func (c *Cluster) askFor(ctx context.Context, limit time.Duration, node string, args ...string) ([]byte, error) {
	w, err := c.remote(ctx, node)
	if err != nil {
		return nil, err
	}
	out, err := output(ctx, w.Remote, limit, args...)
	c.brokenBy(node, err)
	return out, err
}

// output runs a program on r and returns what it printed. The limit holds on
// the node too: pvesh can hang for minutes, and would outlive ssh. Whoever is
// stopped gets why, and nothing of the program, which did no wrong.
func output(asked context.Context, r host.Remote, limit time.Duration, args ...string) ([]byte, error) {
	over := limit + host.DefaultConnectTimeout
	ctx, cancel := context.WithTimeoutCause(asked, over, fmt.Errorf("no answer in %s", over))
	defer cancel()
	bounded := []string{"timeout", "-k", "5", strconv.Itoa(max(1, int(limit/time.Second)))}
	out, err := host.Output(ctx, r.Command(host.Command{
		Args: append(bounded, args...),
		Env:  []string{"LC_ALL=C.UTF-8"},
	}), answerMax)
	if err == nil {
		return out, nil
	}
	if ctx.Err() != nil && errors.Is(err, context.Cause(ctx)) {
		if asked.Err() != nil {
			return nil, context.Cause(asked)
		}
		return nil, fmt.Errorf("%s: %w", programOn(r.Target, args), context.Cause(ctx))
	}
	return nil, told(err, r.Target, args, limit)
}

// brokenBy forgets the way to node if err says that it is broken.
func (c *Cluster) brokenBy(node string, err error) {
	if lost := (*host.SSHError)(nil); errors.As(err, &lost) {
		c.forget(node)
	}
}

// programOn is the name of a program on a node: without what only bounds it.
func programOn(target string, args []string) string {
	return host.Printable(target + ": " + strings.Join(args[:min(len(args), 3)], " "))
}

// told puts the program's name, and what timeout's exit status means, into an
// error.
func told(err error, target string, args []string, limit time.Duration) error {
	var exit *host.ExitError
	var over *host.OverError
	name := programOn(target, args)
	switch {
	case errors.As(err, &over):
		shown := *over
		shown.Name = name
		return &shown
	case !errors.As(err, &exit):
		return err
	}
	shown := *exit
	shown.Name = name
	if exit.Code == 124 || exit.Code == 137 {
		shown.How, shown.Stderr = fmt.Sprintf("no answer in %s", limit), ""
	}
	return &shown
}

// pvesh asks the interface of a node. path is about the node itself, or about
// the cluster.
func (c *Cluster) pvesh(ctx context.Context, node, path string, options ...string) ([]byte, error) {
	args := append([]string{"pvesh", "get", path}, options...)
	return c.ask(ctx, node, append(args, "--output-format", "json")...)
}

// Remote is the way to a node, for what this package does not know to ask.
func (c *Cluster) Remote(ctx context.Context, node string) (host.Remote, error) {
	w, err := c.remote(ctx, node)
	return w.Remote, err
}
