package pve

import (
	"cmp"
	"context"
	_ "embed"
	"fmt"
	"io"
	"strconv"

	"github.com/railiance/railiance/tools/internal/host"
)

//go:embed dump.sh
var dumpScript string

// DumpOptions are how a guest is dumped.
type DumpOptions struct {
	Mode         string    // snapshot, suspend or stop; empty: snapshot
	Fleecing     string    // storage of the node where writes of the guest wait for a slow reader; empty: none
	BandwidthKiB int       // a second; 0: no limit
	Log          io.Writer // is shown vzdump's log as it comes; nil: nobody
}

// Dump writes the dump of g, a VMA or a tar, to stdout as vzdump makes it, and
// returns vzdump's log. An error says that the dump is not good, or not whole;
// that there is none does not prove that it is: vzdump has more ways to end
// well than to do well, so that the stream is to be verified besides.
//
// When ctx is done or stdout fails, vzdump is asked to end, and waited for: the
// guest is not locked any more when Dump returns. What it still sends is
// dropped. The node ends it by itself when this machine is silent for two
// minutes.
func (c *Cluster) Dump(ctx context.Context, g Guest, o DumpOptions, stdout io.Writer) (string, error) {
	w, err := c.remote(ctx, g.Node)
	if err != nil {
		return "", err
	}
	args, err := o.args(g)
	if err != nil {
		return "", fmt.Errorf("%s: vzdump %d: %w", g.Node, g.ID, err)
	}
	alone := cmp.Or(c.silence, silence)
	log := &journal{also: o.Log}
	sent, err := leashed(ctx, w.Command(host.Command{
		Args:   append([]string{"sh", "-c", dumpScript, "vzdump", fmt.Sprintf("%g", alone.Seconds())}, args...),
		Env:    []string{"LC_ALL=C.UTF-8"},
		Stderr: log,
	}), stdout, alone/12)
	c.brokenBy(g.Node, err)
	text := log.String()
	if err := judge(g, text, sent, err); err != nil {
		return text, fmt.Errorf("%s: vzdump %d: %w", g.Node, g.ID, err)
	}
	return text, nil
}

// args are those of vzdump. Compression and the usual exclusions are told to be
// off since a node's vzdump.conf may have them on, and vzdump has.
func (o DumpOptions) args(g Guest) ([]string, error) {
	mode := o.Mode
	switch mode {
	case "":
		mode = "snapshot"
	case "snapshot", "suspend", "stop":
	default:
		return nil, fmt.Errorf("there is no mode %q", host.Printable(mode))
	}
	if !validID(g.ID) {
		return nil, ErrNoGuest
	}
	args := []string{strconv.Itoa(g.ID), "--stdout", "--compress", "0", "--mode", mode}
	if g.Type == CT {
		args = append(args, "--stdexcludes", "0") // else /tmp and /var/tmp are left out, and nobody tells
	}
	if o.BandwidthKiB > 0 {
		args = append(args, "--bwlimit", strconv.Itoa(o.BandwidthKiB))
	}
	if o.Fleecing != "" && g.Type == VM {
		if !validStorage(o.Fleecing) {
			return nil, fmt.Errorf("%q is no storage", host.Printable(o.Fleecing))
		}
		args = append(args, "--fleecing", "enabled=1,storage="+o.Fleecing)
	}
	return args, nil
}
