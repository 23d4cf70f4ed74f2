package pve

import (
	"encoding/json"
	"errors"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// settings is the configuration of a guest, as the interface gives it.
type settings map[string]text

// readSettings reads one. Snapshots are not in it, and not in a backup.
func readSettings(b []byte) (settings, error) {
	var raw map[string]json.RawMessage
	if err := object(b, &raw); err != nil {
		return nil, err
	}
	if len(raw) > entriesMax {
		return nil, errors.New("has too many settings")
	}
	s := settings{}
	for key, value := range raw {
		s[key] = text(scalar(value))
	}
	return s, nil
}

// apply puts what the configuration knows better than the lists into g.
func (s settings) apply(g *Guest) {
	name := s["name"]
	if g.Type == CT {
		name = s["hostname"]
	}
	g.Name = word(name)
	g.Lock = word(s["lock"])
	g.Tags = words(s["tags"])
	g.Template = s["template"] == "1"
	g.Identity = s.identity(g.Type)
	g.Disks = s.disks(g.Type)
}

// disks are what holds data of the guest, in the order of their keys.
func (s settings) disks(kind string) []Disk {
	of := s.diskOfVM
	if kind == CT {
		of = s.mountOfCT
	}
	var all []Disk
	keys := regexp.MustCompile(`^(?:rootfs|[a-z]{2,8}[0-9]{1,3})$`)
	for _, key := range slices.SortedFunc(maps.Keys(s), byKey) {
		if !keys.MatchString(key) {
			continue
		}
		if d, is := of(key, string(s[key])); is {
			all = append(all, d)
		}
	}
	return all
}

func (s settings) diskOfVM(key, value string) (Disk, bool) {
	switch name, _ := splitKey(key); name {
	case "unused":
		return unused(key, value), true
	case "virtiofs":
		return Disk{Key: key, Volume: volume(value), Why: "a folder of the node, and no disk"}, true
	case "ide", "sata", "scsi", "virtio", "efidisk", "tpmstate":
	default:
		return Disk{}, false
	}
	path, options := dissect(value, "file")
	if path == "none" || options["media"] == "cdrom" {
		// A medium is not the guest's; the drive of cloud-init is made anew.
		return Disk{}, false
	}
	d := Disk{Key: key, Volume: word(path), Size: size(options["size"]), InBackup: true}
	switch {
	case options["backup"] == "0" || options["backup"] == "no" || options["backup"] == "off":
		d.InBackup, d.Why = false, "backup=0 in its configuration"
	case strings.HasPrefix(key, "efidisk") && s["bios"] != "ovmf":
		d.InBackup, d.Why = false, "vzdump leaves it out unless the BIOS is ovmf"
	}
	return d, true
}

func (s settings) mountOfCT(key, value string) (Disk, bool) {
	name, _ := splitKey(key)
	if name == "unused" {
		return unused(key, value), true
	}
	if key != "rootfs" && name != "mp" {
		return Disk{}, false
	}
	path, options := dissect(value, "volume")
	d := Disk{Key: key, Volume: word(path), Size: size(options["size"]), InBackup: true}
	switch {
	case key == "rootfs":
	case strings.HasPrefix(path, "/dev/"):
		d.InBackup, d.Why = false, "a device of the node, and no volume"
	case strings.HasPrefix(path, "/"):
		d.InBackup, d.Why = false, "a folder of the node, and no volume"
	case options["backup"] != "1" && options["backup"] != "yes" && options["backup"] != "on":
		d.InBackup, d.Why = false, "no backup=1 in its configuration"
	}
	return d, true
}

func unused(key, value string) Disk {
	return Disk{Key: key, Volume: volume(value), Why: "not attached to the guest"}
}

func volume(value string) string {
	path, _ := dissect(value, "file")
	return word(path)
}

// dissect splits the value of a drive into what it is and its options. first is
// the name that the beginning may carry.
func dissect(value, first string) (string, map[string]string) {
	options := map[string]string{}
	path := ""
	for i, part := range strings.Split(value, ",") {
		name, v, found := strings.Cut(part, "=")
		switch {
		case i == 0 && !found, found && name == first:
			path = strings.TrimPrefix(part, first+"=")
		case found:
			options[name] = v
		}
	}
	return path, options
}

// size reads 64M, 10252K or 1G, in bytes; 0 is none.
func size(s string) int64 {
	m := regexp.MustCompile(`^([0-9]{1,15})(?:\.([0-9]{1,3}))?([KMGT]?)$`).FindStringSubmatch(s)
	if m == nil {
		return 0
	}
	n, err := strconv.ParseFloat(strings.TrimSuffix(m[1]+"."+m[2], "."), 64)
	if err != nil {
		return 0
	}
	n *= map[string]float64{"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}[m[3]]
	if n > 1<<62 {
		return 0
	}
	return int64(n)
}

// splitKey is scsi and 10 of scsi10.
func splitKey(key string) (string, int) {
	name := strings.TrimRight(key, "0123456789")
	n, _ := strconv.Atoi(key[len(name):])
	return name, n
}

// byKey sorts scsi2 before scsi10.
func byKey(a, b string) int {
	an, ai := splitKey(a)
	bn, bi := splitKey(b)
	if c := strings.Compare(an, bn); c != 0 {
		return c
	}
	return ai - bi
}
