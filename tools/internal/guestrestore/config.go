package guestrestore

import (
	"bufio"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/railiance/railiance/tools/internal/host"
	"github.com/railiance/railiance/tools/internal/pve"
)

// settings are the lines of a guest's configuration as it was backed up, without
// those of its snapshots.
func settings(config string) map[string]string {
	s := map[string]string{}
	lines := bufio.NewScanner(strings.NewReader(config))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := lines.Text()
		if strings.HasPrefix(line, "[") {
			break
		}
		if key, value, ok := strings.Cut(line, ":"); ok && !strings.HasPrefix(line, "#") {
			s[key] = strings.TrimSpace(value)
		}
	}
	return s
}

// storagesOf are where the disks of a virtual machine were, as vzdump noted it
// for qmrestore.
func storagesOf(config string) []string {
	found := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^#qmdump#map:[^:]*:[^:]*:([^:]+):[^:]*:$`).FindAllStringSubmatch(config, 1000) {
		found[m[1]] = true
	}
	return slices.Sorted(maps.Keys(found))
}

// container is what `pct restore` takes from nobody but its caller.
type container struct {
	storage      string // of the root file system
	rootfsGiB    int
	mounts       []pve.Mount
	unprivileged bool
	// options are set once it is there: into what is read-only nothing can be
	// unpacked, and none is worth a restore that fails.
	options pve.VolumeOptions
	dropped []string // what it had, and will lack, and why
}

// storages are all that its volumes were on.
func (c container) storages() []string {
	all := []string{c.storage}
	for _, m := range c.mounts {
		all = append(all, m.Storage)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// containerOf reads the configuration of a container whose files take that many
// bytes. What of its mount points is not in the archive is not made again.
func containerOf(config string, bytes int64) (container, error) {
	s := settings(config)
	c := container{unprivileged: s["unprivileged"] == "1", options: pve.VolumeOptions{}}
	volume, options := dissect(s["rootfs"])
	storage, _, ok := strings.Cut(volume, ":")
	if !ok {
		return c, fmt.Errorf("its configuration says of its root file system %q", host.Printable(s["rootfs"]))
	}
	c.storage = storage
	if c.rootfsGiB = gib(options); c.rootfsGiB == 0 {
		// A tree in a folder has no size: half as much again, for what files cost.
		c.rootfsGiB = int((bytes+bytes/2)>>30) + 1
	}
	c.keep("rootfs", options)
	for _, key := range slices.Sorted(maps.Keys(s)) {
		if !regexp.MustCompile(`^mp[0-9]{1,3}$`).MatchString(key) {
			continue
		}
		volume, options := dissect(s[key])
		if !slices.Contains([]string{"1", "yes", "on"}, options["backup"]) || strings.HasPrefix(volume, "/") {
			continue
		}
		storage, _, _ := strings.Cut(volume, ":")
		m := pve.Mount{Key: key, Storage: storage, GiB: gib(options), Options: "mp=" + options["mp"] + ",backup=1"}
		if m.GiB == 0 {
			m.GiB = int((bytes+bytes/2)>>30) + 1
		}
		c.keep(key, options)
		c.mounts = append(c.mounts, m)
	}
	if s["template"] == "1" {
		c.dropped = append(c.dropped, "template: 1: pct template makes it one again")
	}
	if s["lxc.idmap"] != "" || s["lxc.id_map"] != "" {
		c.dropped = append(c.dropped, "lxc.idmap: its files are unpacked with the usual mapping, and may have other owners: look at them before it is started")
	}
	return c, nil
}

// keep takes over the options of a volume, but for those that its restore sets
// anyway, and those of Proxmox's that are not known here.
func (c *container) keep(key string, options map[string]string) {
	for _, name := range slices.Sorted(maps.Keys(options)) {
		switch v := options[name]; name {
		case "size", "mp", "backup":
		case "acl", "mountoptions", "quota", "replicate", "ro", "shared":
			if c.options[key] == nil {
				c.options[key] = map[string]string{}
			}
			c.options[key][name] = v
		default:
			c.dropped = append(c.dropped, host.Printable(fmt.Sprintf("%s: %s=%s: pct set does it once the container is there", key, name, v)))
		}
	}
}

// dissect splits a volume of a configuration from its options.
func dissect(value string) (volume string, options map[string]string) {
	options = map[string]string{}
	for i, part := range strings.Split(value, ",") {
		name, v, found := strings.Cut(part, "=")
		switch {
		case i == 0 && !found, found && name == "volume":
			volume = strings.TrimPrefix(part, "volume=")
		case found:
			options[name] = v
		}
	}
	return volume, options
}

// gib is the size among options, rounded up; 0: it is not told.
func gib(options map[string]string) int {
	m := regexp.MustCompile(`^([0-9]{1,12})([KMGT]?)$`).FindStringSubmatch(options["size"])
	if m == nil {
		return 0
	}
	n, err := strconv.ParseInt(m[1], 10, 64)
	unit := map[string]int64{"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}[m[2]]
	if err != nil || n > (1<<60)/unit {
		return 0
	}
	return int((n*unit + 1<<30 - 1) >> 30)
}
