package tbdeploy

import (
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/railiance/railiance/tools/internal/host"
	"github.com/railiance/railiance/tools/internal/tell"
	"github.com/railiance/railiance/tools/internal/thunderbolt"
)

// bare tells whether a stanza says nothing: Proxmox writes `iface en05 inet
// manual` for every card that it sees, and again whenever it is taken out. rest
// are the lines after its first.
func bare(words, rest []string) bool {
	if len(words) != 4 || words[3] != "manual" {
		return false
	}
	for _, line := range rest {
		next := strings.Fields(line)
		switch {
		case len(next) == 0 || strings.HasPrefix(next[0], "#"):
		case slices.Contains([]string{"iface", "auto", "mapping", "source", "source-directory"}, next[0]) || strings.HasPrefix(next[0], "allow-"):
			return true
		default:
			return false
		}
	}
	return true
}

// conflicts says why the files would not do on this node.
func (n *node) conflicts(p thunderbolt.Plan, name string, paths map[string]string) error {
	errs := n.otherLinks(paths)
	if len(n.lacks) > 0 {
		err := fmt.Errorf("lacks %s", strings.Join(n.lacks, ", "))
		if slices.Contains(n.lacks, "ifreload") {
			err = tell.Hint(err, "apt install ifupdown2: the ifup of ifupdown cannot read these files")
		}
		errs = append(errs, err)
	}
	mine := append([]string{}, p.Node(name).Interfaces...)
	if p.Bridge != "" {
		mine = append(mine, p.Bridge)
	}
	changed := mine
	if hosts, _ := ownAddresses(p, p.Node(name)); len(hosts) > 0 {
		changed = append(slices.Clone(mine), loopback)
	}
	for _, i := range changed {
		if slices.Contains(n.over, i) {
			errs = append(errs, fmt.Errorf("ssh comes over %s, which would be changed: the context must name a host in the management network", i))
		}
	}
	sourced := false
	for _, file := range slices.Sorted(maps.Keys(n.others)) {
		all := lines(n.others[file])
		for k, line := range all {
			words := strings.Fields(line)
			if len(words) < 2 {
				continue
			}
			switch {
			case words[0] == "iface" && slices.Contains(mine, words[1]) && !bare(words, all[k+1:]):
				errs = append(errs, fmt.Errorf("%s defines %s already: take it out there, and it will be in %s", host.Printable(file), words[1], stanzaPath))
			case words[0] == "source" && words[1] == path.Dir(stanzaPath)+"/*", words[0] == "source-directory" && path.Clean(words[1]) == path.Dir(stanzaPath):
				sourced = sourced || file == "/etc/network/interfaces"
			}
		}
	}
	if !sourced {
		errs = append(errs, fmt.Errorf("/etc/network/interfaces does not read %s: add the line: source %s/*", path.Dir(stanzaPath), path.Dir(stanzaPath)))
	}
	return errors.Join(errs...)
}

// otherLinks finds .link files that udev takes rather than ours: of all that
// match it takes the one whose name sorts first, and no other.
func (n *node) otherLinks(paths map[string]string) []error {
	var errs []error
	for _, file := range slices.Sorted(maps.Keys(n.links)) {
		for _, line := range lines(n.links[file]) {
			key, value, _ := strings.Cut(line, "=")
			if strings.TrimSpace(key) != "Path" {
				continue
			}
			for _, i := range slices.Sorted(maps.Keys(paths)) {
				ours := path.Base(fmt.Sprintf(linkPath, i))
				if slices.Contains(strings.Fields(value), paths[i]) && path.Base(file) < ours {
					errs = append(errs, fmt.Errorf("%s names what is at %s, and comes before %s: take it away, or %s out of the paths in the context", host.Printable(file), paths[i], ours, i))
				}
			}
		}
	}
	return errs
}

// takes says what the files would take from the bridge as it is now. Nothing of
// VLANs is kept, also not by undoing it, so that nothing forces that.
func (d *Deployment) takes(n *node, files []File) error {
	if slices.ContainsFunc(files, func(f File) bool { return f.Path == stanzaPath && f.Gone }) {
		return nil
	}
	bridge := host.Printable(d.Plan.Bridge)
	var errs []error
	if n.vlans {
		errs = append(errs, tell.Hint(fmt.Errorf("%s is VLAN-aware (vlan_filtering 1): its VLANs would be lost", bridge),
			"where nothing needs them: ip link set dev %s type bridge vlan_filtering 0 (on the node); else put them onto another bridge", bridge))
	}
	others := slices.DeleteFunc(slices.Clone(n.members), func(i string) bool { return slices.Contains(d.Plan.Node(d.Node).Interfaces, i) })
	switch {
	case len(others) == 0:
	case d.Force:
		d.Tell.Warn("", "%s: %s loses members that the context does not declare: %s", d.Node, bridge, strings.Join(others, ", "))
	default:
		errs = append(errs, tell.Hint(fmt.Errorf("%s has members that the context does not declare, and may lose them: %s", bridge, strings.Join(others, ", ")),
			"declare them, or take them out (ip link set dev NAME nomaster; those of a guest go with it), or deploy with --force: undoing it puts them back"))
	}
	return errors.Join(errs...)
}
