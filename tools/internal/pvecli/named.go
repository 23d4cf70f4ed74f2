package pvecli

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/railiance/railiance/tools/internal/guestset"
	"github.com/railiance/railiance/tools/internal/plugin"
)

// named are the guests and nodes that a call names.
type named struct {
	guests []int
	nodes  []string
}

// check returns who is named, and refuses a call that says nothing of what to
// back up, or several things.
func (c choice) check(args []string) (named, error) {
	var all named
	n := 0
	for _, said := range []bool{len(args) > 0, c.all, c.hosts, c.tag != "", c.pool != ""} {
		if said {
			n++
		}
	}
	if n != 1 {
		return all, &plugin.Usage{Err: errors.New("one of guests, --all, --hosts, --tag and --pool says what to back up")}
	}
	if c.older < 0 {
		return all, &plugin.Usage{Err: fmt.Errorf("--if-older-than %s: is negative; 20h passes over what was backed up in the last 20 hours", c.older)}
	}
	seen := map[guestset.Subject]bool{}
	for _, arg := range args {
		s, err := guestset.Parse(arg)
		id, number := strconv.Atoi(arg)
		switch {
		case number == nil && id >= 100:
			s = guestset.Guest(guestset.VM, id)
		case err != nil:
			return all, &plugin.Usage{Err: fmt.Errorf("%q is not the number of a guest, and no node, as node-baobab", arg)}
		case s.Kind == guestset.CT:
			s.Kind = guestset.VM // a number has one guest
		}
		if seen[s] {
			return all, &plugin.Usage{Err: fmt.Errorf("%s is named twice", arg)}
		}
		seen[s] = true
		if s.Kind == guestset.Node {
			all.nodes = append(all.nodes, s.Name)
		} else {
			all.guests = append(all.guests, s.ID)
		}
	}
	return all, nil
}
