package pvetest

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

func pvesm(c *call, args []string) error {
	verb := ""
	if len(args) > 0 {
		verb, args = args[0], args[1:]
	}
	switch verb {
	case "status":
		return c.storageStatus(args)
	case "path":
		s := syntax{usage: "pvesm path <volume>", blank: true}
		words, _, err := s.parse(args)
		if err != nil {
			return err
		}
		if len(words) != 1 {
			return s.refuse("400 not enough arguments")
		}
		path, err := c.path(words[0])
		if err != nil {
			return fail(255, "%v", err)
		}
		_, err = fmt.Fprintln(c.out, path)
		return err
	case "list":
		return c.storageList(args)
	}
	return fail(255, "ERROR: unknown command 'pvesm %s'", verb)
}

func (c *call) storageStatus(args []string) error {
	s := syntax{usage: "pvesm status  [OPTIONS]", blank: true, values: []string{"storage", "content"}, flags: []string{"enabled"}}
	words, o, err := s.parse(args)
	if err != nil {
		return err
	}
	if len(words) > 0 {
		return s.refuse("400 too many arguments")
	}
	all, err := c.storages()
	if err != nil {
		return err
	}
	fmt.Fprintf(c.out, "%-10s %6s %10s %15s %15s %15s %8s\n", "Name", "Type", "Status", "Total (KiB)", "Used (KiB)", "Available (KiB)", "%")
	for _, st := range all {
		if !st.on(c.node) || o.has("storage") && st.name != o.values["storage"] || o.has("content") && !st.holds(o.values["content"]) {
			continue
		}
		total, used, avail, err := c.space(st)
		if err != nil {
			return err
		}
		fmt.Fprintf(c.out, "%-10s %6s %10s %15d %15d %15d %7.2f%%\n", st.name, st.kind, "active", total>>10, used>>10, avail>>10, 100*float64(used)/float64(total))
	}
	return nil
}

// volume is what a storage lists.
type volume struct {
	id      string
	content string
	guest   int
	size    int64
}

var volumeName = regexp.MustCompile(`^vm-([0-9]+)-(?:disk-[0-9]+|cloudinit)(?:\.raw)?$`)

// volumes are the disks that a storage holds, by name.
func (c *call) volumes(s storage) ([]volume, error) {
	all, err := c.guests()
	if err != nil {
		return nil, err
	}
	pattern, cut := "images/*/vm-*", "images/"
	if s.kind == "lvmthin" {
		pattern, cut = "vm-*", ""
	}
	base := c.folder(s)
	paths, err := filepath.Glob(filepath.Join(base, pattern))
	if err != nil {
		return nil, err
	}
	slices.Sort(paths)
	var list []volume
	for _, path := range paths {
		m := volumeName.FindStringSubmatch(filepath.Base(path))
		info, err := os.Stat(path)
		if m == nil || err != nil {
			continue
		}
		id, _ := strconv.Atoi(m[1])
		v := volume{guest: id, content: "images", size: info.Size()}
		if slices.ContainsFunc(all, func(g guest) bool { return g.id == id && g.kind == typeCT }) {
			v.content = "rootdir"
		}
		rel, err := filepath.Rel(base, path)
		if err != nil {
			return nil, err
		}
		v.id = s.name + ":" + strings.TrimPrefix(rel, cut)
		list = append(list, v)
	}
	return list, nil
}

func (c *call) storageList(args []string) error {
	s := syntax{usage: "pvesm list <storage> [OPTIONS]", blank: true, values: []string{"vmid", "content"}}
	words, o, err := s.parse(args)
	if err != nil {
		return err
	}
	if len(words) != 1 {
		return s.refuse("400 not enough arguments")
	}
	st, err := c.storage(words[0])
	if err != nil {
		return fail(255, "%v", err)
	}
	all, err := c.volumes(st)
	if err != nil {
		return err
	}
	all = slices.DeleteFunc(all, func(v volume) bool {
		return o.has("vmid") && o.values["vmid"] != strconv.Itoa(v.guest) || o.has("content") && o.values["content"] != v.content
	})
	wide := len("Volid")
	for _, v := range all {
		wide = max(wide, len(v.id))
	}
	fmt.Fprintf(c.out, "%-*s %-7s %-9s %10s %s\n", wide, "Volid", "Format", "Type", "Size", "VMID")
	for _, v := range all {
		fmt.Fprintf(c.out, "%-*s %-7s %-9s %10d %d\n", wide, v.id, "raw", v.content, v.size, v.guest)
	}
	return nil
}
