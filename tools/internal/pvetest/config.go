package pvetest

import (
	"bytes"
	"crypto/sha1" // Proxmox's own
	"encoding/hex"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// config is a guest's configuration file: its comment lines, encoded, which are
// the description; its keys; and the sections of its snapshots, as they are.
type config struct {
	comments []string
	keys     map[string]string
	sections string
	digest   string // of the file
}

func parseConfig(text []byte) config {
	sum := sha1.Sum(text)
	c := config{keys: map[string]string{}, digest: hex.EncodeToString(sum[:])}
	rest := string(text)
	for rest != "" {
		line, after, _ := strings.Cut(rest, "\n")
		if strings.HasPrefix(line, "[") {
			c.sections = rest
			break
		}
		if comment, ok := strings.CutPrefix(line, "#"); ok {
			c.comments = append(c.comments, comment)
		} else if key, value, ok := strings.Cut(line, ":"); ok {
			c.keys[key] = strings.TrimSpace(value)
		}
		rest = after
	}
	return c
}

func (c config) text() []byte {
	var b bytes.Buffer
	for _, comment := range c.comments {
		fmt.Fprintf(&b, "#%s\n", comment)
	}
	for _, key := range c.names() {
		fmt.Fprintf(&b, "%s: %s\n", key, c.keys[key])
	}
	b.WriteString(c.sections)
	return b.Bytes()
}

func (c config) names() []string { return slices.Sorted(maps.Keys(c.keys)) }

// shown is what `qm config` prints: a comment is a description there.
func (c config) shown() string {
	keys := maps.Clone(c.keys)
	if len(c.comments) > 0 {
		keys["description"] = strings.Join(c.comments, "%0A")
	}
	var b strings.Builder
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		fmt.Fprintf(&b, "%s: %s\n", key, keys[key])
	}
	return b.String()
}

// numbers are the keys that the API shows as numbers; memory is one for
// containers only.
var numbers = regexp.MustCompile(`^(cores|sockets|vcpus|numa|onboot|template|protection|kvm|acpi|tablet|freeze|balloon|shares|unprivileged|swap|cpulimit|cpuunits|console|tty)$`)

// json is what the API shows of a configuration.
func (c config) json(container bool) map[string]any {
	m := map[string]any{"digest": c.digest}
	var raw [][]string
	for _, key := range slices.Sorted(maps.Keys(c.keys)) {
		value := c.keys[key]
		if container && strings.HasPrefix(key, "lxc.") {
			raw = append(raw, []string{key, value})
			continue
		}
		m[key] = value
		if n, err := strconv.Atoi(value); err == nil && (numbers.MatchString(key) || container && key == "memory") {
			m[key] = n
		}
	}
	if raw != nil {
		m["lxc"] = raw
	}
	if len(c.comments) > 0 {
		var lines []string
		for _, comment := range c.comments {
			lines = append(lines, decode(comment))
		}
		m["description"] = strings.Join(lines, "\n")
	}
	return m
}

// decode reads the encoding of descriptions, and encode writes it.
func decode(s string) string {
	if text, err := url.PathUnescape(s); err == nil {
		return text
	}
	return s
}

func encode(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c > 0x7e || c == '%' || c == ':' {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// describe makes text the description.
func (c *config) describe(text string) {
	c.comments = nil
	for line := range strings.SplitSeq(text, "\n") {
		c.comments = append(c.comments, encode(line))
	}
}

var (
	driveKey = regexp.MustCompile(`^(ide|sata|scsi|virtio|efidisk|tpmstate)[0-9]+$`)
	mountKey = regexp.MustCompile(`^(rootfs|mp[0-9]+)$`)
)

// drive is a disk of a guest, or a mount point.
type drive struct {
	key    string
	volume string // storage:name, or a path
	props  map[string]string
}

func (d drive) backup() bool { return d.props["backup"] != "0" }

// drives are the disks of a virtual machine, or the mount points of a
// container, in the order in which vzdump takes them. CD-ROMs are none.
func (c config) drives(keys *regexp.Regexp) []drive {
	var all []drive
	for _, key := range c.names() {
		if !keys.MatchString(key) {
			continue
		}
		p := properties(c.keys[key], "volume")
		if p["media"] == "cdrom" || p["volume"] == "none" {
			continue
		}
		all = append(all, drive{key, p["volume"], p})
	}
	slices.SortStableFunc(all, func(a, b drive) int {
		return strings.Compare(order(a.key), order(b.key))
	})
	return all
}

func order(key string) string {
	if key == "rootfs" {
		return ""
	}
	name := strings.TrimRight(key, "0123456789")
	n, _ := strconv.Atoi(key[len(name):])
	return fmt.Sprintf("%s%04d", name, n)
}

// bytesOf reads a size: 64M, 10252K, 1G.
func bytesOf(s string) int64 {
	shift := map[string]uint{"K": 10, "M": 20, "G": 30, "T": 40}
	if s == "" {
		return 0
	}
	up, unit := shift[s[len(s)-1:]]
	if unit {
		s = s[:len(s)-1]
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return 0
	}
	return n << up
}

// sizeText writes a size as Proxmox does.
func sizeText(n int64) string {
	for _, unit := range []struct {
		shift uint
		name  string
	}{{40, "T"}, {30, "G"}, {20, "M"}, {10, "K"}} {
		if n>>unit.shift<<unit.shift == n && n>>unit.shift > 0 {
			return strconv.FormatInt(n>>unit.shift, 10) + unit.name
		}
	}
	return strconv.FormatInt(n, 10)
}
