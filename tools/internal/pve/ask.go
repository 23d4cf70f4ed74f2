package pve

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/railiance/railiance/tools/internal/clustercontext"
	"github.com/railiance/railiance/tools/internal/host"
	"github.com/railiance/railiance/tools/internal/tell"
)

const (
	timeoutDefault = 30 * time.Second
	// answerMax bounds what is kept of one answer, in bytes: a thousand guests
	// take half of one of its megabytes.
	answerMax = 8 << 20
)

// remote is the first way to the node of that name that works. What was found
// is remembered, also for a node that has several.
func (c *Cluster) remote(ctx context.Context, node string) (host.Remote, error) {
	c.mu.Lock()
	known, found := c.good[node]
	c.mu.Unlock()
	if found {
		return known, nil
	}
	n, err := c.Context.Node(node)
	if err != nil {
		return host.Remote{}, tell.Hint(err, "add it to the cluster context: what is not there is not backed up")
	}
	var all []error
	for _, way := range n.Hosts {
		r := c.way(way)
		if err := c.knock(ctx, r); err != nil {
			all = append(all, err)
			continue
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.good == nil {
			c.good = map[string]host.Remote{}
		}
		c.good[node] = r
		return r, nil
	}
	return host.Remote{}, errors.Join(all...)
}

func (c *Cluster) way(to clustercontext.Host) host.Remote {
	r := host.Remote{Target: to.Target}
	if c.Connections != nil {
		r = c.Connections.Remote(to.Target)
	}
	r.Options = c.Options
	return r
}

// knock sees whether a program runs over r.
func (c *Cluster) knock(ctx context.Context, r host.Remote) error {
	ctx, cancel := c.soon(ctx)
	defer cancel()
	return host.Run(ctx, r.Command(host.Command{Args: []string{"true"}}))
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

// soon is a context for one question. It ends a little after the limit on the
// node has, which alone ends the program there.
func (c *Cluster) soon(ctx context.Context) (context.Context, context.CancelFunc) {
	limit := c.timeout() + host.DefaultConnectTimeout
	return context.WithTimeoutCause(ctx, limit, fmt.Errorf("no answer in %s", limit))
}

// ask runs a short program on a node and returns what it printed.
func (c *Cluster) ask(ctx context.Context, node string, args ...string) ([]byte, error) {
	return c.askFor(ctx, c.timeout(), node, args...)
}

// askFor is ask of a program that may take until limit.
func (c *Cluster) askFor(ctx context.Context, limit time.Duration, node string, args ...string) ([]byte, error) {
	r, err := c.remote(ctx, node)
	if err != nil {
		return nil, err
	}
	over := limit + host.DefaultConnectTimeout
	ctx, cancel := context.WithTimeoutCause(ctx, over, fmt.Errorf("no answer in %s", over))
	defer cancel()
	// The program on the node would outlive ssh: pvesh can hang for minutes.
	bounded := []string{"timeout", "-k", "5", strconv.Itoa(max(1, int(limit/time.Second)))}
	out, err := host.Output(ctx, r.Command(host.Command{
		Args: append(bounded, args...),
		Env:  []string{"LC_ALL=C.UTF-8"},
	}), answerMax)
	if err = told(err, args, limit); err != nil {
		c.brokenBy(node, err)
		return nil, err
	}
	return out, nil
}

// brokenBy forgets the way to node if err says that it is broken.
func (c *Cluster) brokenBy(node string, err error) {
	if lost := (*host.SSHError)(nil); errors.As(err, &lost) {
		c.forget(node)
	}
}

// told replaces timeout's name and exit status in an error by what they mean.
func told(err error, args []string, limit time.Duration) error {
	var exit *host.ExitError
	if !errors.As(err, &exit) {
		return err
	}
	shown := *exit
	shown.Name = host.Printable(commandName(exit.Name, args))
	if exit.Code == 124 || exit.Code == 137 {
		shown.How, shown.Stderr = fmt.Sprintf("no answer in %s", limit), ""
	}
	return &shown
}

// commandName is the beginning of the program's line, after where it ran.
func commandName(was string, args []string) string {
	target := was
	for i := range was {
		if was[i:] != "" && was[i] == ':' && i+1 < len(was) && was[i+1] == ' ' {
			target = was[:i]
			break
		}
	}
	line := args[0]
	for _, arg := range args[1:min(len(args), 3)] {
		line += " " + arg
	}
	return target + ": " + line
}

// pvesh asks the interface of a node. path is about the node itself, or about
// the cluster.
func (c *Cluster) pvesh(ctx context.Context, node, path string, options ...string) ([]byte, error) {
	args := append([]string{"pvesh", "get", path}, options...)
	return c.ask(ctx, node, append(args, "--output-format", "json")...)
}
