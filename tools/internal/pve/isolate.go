package pve

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// Isolate takes from g, which must not run, what would let it act on the world
// or on its original: the cables of its network cards, devices and folders of
// the node, its hook, what is passed to QEMU past Proxmox, and the start with
// the node. ErrNotApart says that all this is done, and does not suffice.
func (c *Cluster) Isolate(ctx context.Context, g Guest) error {
	if err := c.SetLinkDown(ctx, g); err != nil {
		return err
	}
	s, err := c.settings(ctx, g)
	if err != nil {
		return err
	}
	var args, away []string
	raw := false
	for _, key := range slices.Sorted(maps.Keys(s)) {
		switch name, _ := splitKey(key); name {
		case "hostpci", "usb", "virtiofs", "parallel", "hookscript", "dev", "args":
			away = append(away, key)
		case "lxc": // lines that pct can only show
			raw = g.Type == CT
		case "serial":
			if strings.HasPrefix(string(s[key]), "/") {
				away = append(away, key)
			}
		}
	}
	if s["onboot"] == "1" {
		args = append(args, "--onboot", "0")
	}
	if len(away) > 0 {
		args = append(args, "--delete", strings.Join(away, ","))
	}
	if len(args) > 0 {
		if err := c.set(ctx, g, args...); err != nil {
			return err
		}
	}
	if raw {
		return fmt.Errorf("guest %d on %s: its configuration has lines for lxc, which may mount folders of the node, and which no program takes away: %w", g.ID, g.Node, ErrNotApart)
	}
	return nil
}

// HasAgent says whether the configuration of a virtual machine, as it was
// backed up, promises that a guest agent answers.
func HasAgent(config string) bool {
	m := regexp.MustCompile(`(?m)^agent:\s*(\S+)\s*$`).FindStringSubmatch(config)
	if m == nil {
		return false
	}
	value, options := dissect(m[1], "enabled")
	return value == "1" || options["enabled"] == "1"
}
