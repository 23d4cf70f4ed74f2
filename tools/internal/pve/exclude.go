package pve

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/railiance/railiance/tools/internal/host"
	"github.com/railiance/railiance/tools/internal/tell"
)

// dumpSettings is where a node says how its vzdump works, whoever calls it.
const dumpSettings = "/etc/vzdump.conf"

// Exclusion is what a node's vzdump leaves out of every container. It adds to
// what is said on the command line, so that no argument switches it off, and
// the log does not tell of it.
type Exclusion struct {
	Pattern string `json:"pattern,omitempty"` // empty: it is not known
	Why     string `json:"why"`
}

// exclusions asks a node for them. That they cannot be known is one of them: a
// backup is worth having nevertheless.
func (c *Cluster) exclusions(ctx context.Context, node string) []Exclusion {
	b, err := c.ask(ctx, node, "cat", dumpSettings)
	var exit *host.ExitError
	switch {
	case errors.As(err, &exit) && exit.Code == 1 && strings.Contains(exit.Stderr, "No such file"):
		return nil
	case err != nil:
		return []Exclusion{{Why: "could not be read: " + word(tell.Line(err.Error()))}}
	}
	return readExclusions(string(b), node)
}

// exclusionsMax bounds what is told of one node.
const exclusionsMax = 100

func readExclusions(conf, node string) (all []Exclusion) {
	// A line may hold several patterns, and is told as it stands.
	for _, m := range regexp.MustCompile(`(?m)^[ \t]*exclude-path:[ \t]*(\S[^\r\n]*)`).FindAllStringSubmatch(conf, -1) {
		if len(all) == exclusionsMax {
			return append(all, Exclusion{Why: fmt.Sprintf("has more than %d lines of exclude-path", exclusionsMax)})
		}
		all = append(all, Exclusion{word(strings.TrimSpace(m[1])), fmt.Sprintf("exclude-path in %s of %s", dumpSettings, node)})
	}
	return all
}

// disk is e among the disks that are not in a backup.
func (e Exclusion) disk() Disk {
	if e.Pattern == "" {
		return Disk{Key: "what " + dumpSettings + " excludes", Why: e.Why}
	}
	return Disk{Key: "what matches " + e.Pattern, Why: e.Why}
}
