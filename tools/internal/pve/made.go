package pve

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/railiance/railiance/tools/internal/tell"
)

// DrillTag marks a guest that a drill has made, for one that was killed to be
// recognised.
const DrillTag = "railiance-drill"

// longDeed is how long a storage may take to make or to remove volumes, and a
// guest to start.
const longDeed = 10 * time.Minute

// guest is m as a Guest, for what is done with guests.
func (m Made) guest() Guest { return Guest{ID: m.ID, Type: m.Type, Node: m.Node} }

// Guest is m as it is now.
func (c *Cluster) Guest(ctx context.Context, m Made) (Guest, error) {
	return c.guestAt(ctx, place{m.ID, m.Node, m.Type})
}

// Mark gives m the DrillTag.
func (c *Cluster) Mark(ctx context.Context, m Made) error {
	s, err := c.settings(ctx, m.guest())
	if err != nil {
		return err
	}
	tags := words(s["tags"])
	if slices.Contains(tags, DrillTag) {
		return nil
	}
	return c.set(ctx, m.guest(), "--tags", strings.Join(append(tags, DrillTag), ";"))
}

// Destroy removes m with its disks, whatever state it is in; that it is gone
// already is no error. A Made of another process must carry the DrillTag, or be
// the stub that a restore leaves when it is killed: the number may have been
// given to somebody else since.
func (c *Cluster) Destroy(ctx context.Context, m Made) error {
	g := m.guest()
	s, err := c.settings(ctx, g)
	if missing(err) {
		return nil
	}
	if err != nil {
		return err
	}
	if !m.here && !slices.Contains(words(s["tags"]), DrillTag) && !s.stub() {
		return tell.Hint(fmt.Errorf("guest %d on %s: does not look like what a drill has made: it is not touched", g.ID, g.Node),
			"if it is of no use any more: %s destroy %d", program(g.Type), g.ID)
	}
	if s["lock"] == "create" { // our own, of a restore that was killed
		if _, err := c.ask(ctx, g.Node, program(g.Type), "unlock", strconv.Itoa(g.ID)); err != nil {
			return err
		}
	}
	if status, err := c.Status(ctx, g); err != nil || status != Stopped {
		if err := c.Stop(ctx, g); err != nil {
			return err
		}
	}
	if s["protection"] == "1" { // as the original had it
		if err := c.set(ctx, g, "--protection", "0"); err != nil {
			return err
		}
	}
	args := []string{program(g.Type), "destroy", strconv.Itoa(g.ID)}
	if m.Alone {
		args = append(args, "--destroy-unreferenced-disks", "1")
	}
	if _, err := c.askFor(ctx, longDeed, g.Node, args...); err != nil {
		return err
	}
	if _, err := c.settings(ctx, g); !missing(err) {
		return errors.Join(fmt.Errorf("guest %d on %s: was destroyed, and is still there", g.ID, g.Node), err)
	}
	return nil
}

// stub says whether s is what a restore begins with, and leaves when it fails.
func (s settings) stub() bool {
	for key, value := range s {
		switch {
		case key == "digest", key == "lock" && value == "create", key == "memory" && value == "128":
		default:
			return false
		}
	}
	return true
}

// set changes settings of a guest.
func (c *Cluster) set(ctx context.Context, g Guest, args ...string) error {
	_, err := c.ask(ctx, g.Node, append([]string{program(g.Type), "set", strconv.Itoa(g.ID)}, args...)...)
	return err
}

// SetLinkDown pulls the cables of all network cards of g, which must not run.
func (c *Cluster) SetLinkDown(ctx context.Context, g Guest) error {
	s, err := c.settings(ctx, g)
	if err != nil {
		return err
	}
	var args []string
	for key, value := range s {
		if name, _ := splitKey(key); name != "net" {
			continue
		}
		parts := slices.DeleteFunc(strings.Split(string(value), ","), func(p string) bool { return strings.HasPrefix(p, "link_down=") })
		args = append(args, "--"+key, strings.Join(append(parts, "link_down=1"), ","))
	}
	if len(args) == 0 {
		return nil
	}
	return c.set(ctx, g, args...)
}

// Start boots g.
func (c *Cluster) Start(ctx context.Context, g Guest) error {
	_, err := c.askFor(ctx, longDeed, g.Node, program(g.Type), "start", strconv.Itoa(g.ID))
	return err
}

// Stop pulls the plug of g.
func (c *Cluster) Stop(ctx context.Context, g Guest) error {
	_, err := c.askFor(ctx, longDeed, g.Node, program(g.Type), "stop", strconv.Itoa(g.ID))
	return err
}

// Status is what g does at this moment: Running, Stopped, Paused or Unknown.
func (c *Cluster) Status(ctx context.Context, g Guest) (string, error) {
	var e entry
	if err := c.current(ctx, g, &e); err != nil {
		return "", err
	}
	return status(e), nil
}

// Managed says whether the cluster keeps g up by itself: it starts, stops and
// moves it, whatever else is done to it.
func (c *Cluster) Managed(ctx context.Context, g Guest) (bool, error) {
	var e struct {
		HA struct {
			Managed truth `json:"managed"`
		} `json:"ha"`
	}
	err := c.current(ctx, g, &e)
	return bool(e.HA.Managed), err
}

// current reads into what the node says of g at this moment.
func (c *Cluster) current(ctx context.Context, g Guest, into any) error {
	path := fmt.Sprintf("/nodes/%s/%s/%d/status/current", g.Node, g.Type, g.ID)
	b, err := c.pvesh(ctx, g.Node, path)
	if missing(err) {
		return fmt.Errorf("guest %d: %w on %s", g.ID, ErrNoGuest, g.Node)
	}
	if err != nil {
		return err
	}
	if err := object(b, into); err != nil {
		return fmt.Errorf("%s: pvesh get %s: %w", g.Node, path, err)
	}
	return nil
}

// AgentPing asks g whether it is awake: the guest agent of a virtual machine,
// or whether a program runs in a container. It is to be asked again until it
// is.
func (c *Cluster) AgentPing(ctx context.Context, g Guest) error {
	if g.Type == CT {
		_, err := c.ask(ctx, g.Node, "pct", "exec", strconv.Itoa(g.ID), "--", "true")
		return err
	}
	_, err := c.ask(ctx, g.Node, "qm", "guest", "cmd", strconv.Itoa(g.ID), "ping")
	return err
}
