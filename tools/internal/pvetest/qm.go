package pvetest

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// qm is the tool of virtual machines. Only config, list and status are held
// against recordings.
func qm(c *call, args []string) error { return c.tool("qm", typeVM, args) }

// pct is the tool of containers; the same holds, and for restore.
func pct(c *call, args []string) error { return c.tool("pct", typeCT, args) }

// verb is a command of qm or pct about one guest.
type verb struct {
	syntax
	kind  string // typeVM or typeCT; empty: both
	words int    // besides the id; -1: any number
	do    func(c *call, s state, words []string, o options) error
}

func verbs() map[string]verb {
	return map[string]verb{
		"config":   {syntax: syntax{flags: []string{"current"}}, do: showConfig},
		"status":   {syntax: syntax{flags: []string{"verbose"}}, do: showStatus},
		"start":    {syntax: syntax{flags: []string{"skiplock"}, values: []string{"timeout"}}, do: startGuest},
		"stop":     {syntax: syntax{flags: []string{"skiplock", "overrule-shutdown"}, values: []string{"timeout"}}, do: stopGuest},
		"shutdown": {syntax: syntax{flags: []string{"forceStop", "skiplock"}, values: []string{"timeout"}}, do: stopGuest},
		"suspend":  {syntax: syntax{flags: []string{"skiplock"}}, do: func(c *call, s state, _ []string, _ options) error { return c.pause(s, true) }},
		"resume":   {syntax: syntax{flags: []string{"skiplock", "nocheck"}}, do: func(c *call, s state, _ []string, _ options) error { return c.pause(s, false) }},
		"unlock":   {do: func(c *call, s state, _ []string, _ options) error { return c.unlock(s.guest) }},
		"destroy":  {syntax: syntax{flags: []string{"purge", "destroy-unreferenced-disks", "skiplock", "force"}}, do: destroyGuest},
		"set":      {syntax: syntax{flags: []string{"onboot", "template", "protection", "skiplock", "unprivileged"}, values: settable()}, do: setGuest},
		"guest":    {kind: typeVM, words: -1, do: nil},
		"agent":    {kind: typeVM, words: 1, do: agent},
		"mount":    {kind: typeCT, do: mountGuest},
		"unmount":  {kind: typeCT, do: unmountGuest},
		"exec":     {kind: typeCT, words: -1, do: execGuest},
		"restore":  {kind: typeCT, words: -1, do: nil},
	}
}

func settable() []string {
	all := []string{
		"name", "hostname", "memory", "cores", "tags", "description", "delete", "digest", "agent", "boot", "rootfs", "ostype", "swap", "lock",
		"smbios1", "vmgenid", "sockets", "cpu", "balloon", "scsihw", "bios", "machine", "arch", "features", "startup", "nameserver", "searchdomain",
	}
	for i := range 10 {
		for _, key := range []string{"net", "scsi", "virtio", "sata", "mp", "unused"} {
			all = append(all, key+strconv.Itoa(i))
		}
	}
	for _, key := range []string{"ide0", "ide1", "ide2", "ide3", "efidisk0", "tpmstate0"} {
		all = append(all, key)
	}
	return all
}

func (c *call) tool(name, kind string, args []string) error {
	if len(args) == 0 {
		return fail(255, "ERROR: no command specified")
	}
	word, rest := args[0], args[1:]
	if name == "qm" && word == "guest" {
		if len(rest) == 0 || rest[0] != "cmd" {
			return fail(255, "ERROR: unknown command 'qm guest %s'", strings.Join(rest, " "))
		}
		word, rest = "agent", rest[1:]
	}
	if word == "list" {
		return c.list(name, kind, rest)
	}
	if word == "restore" && kind == typeCT {
		return c.restoreContainer(rest)
	}
	v, known := verbs()[word]
	if !known || v.do == nil || v.kind != "" && v.kind != kind {
		return fail(255, "ERROR: unknown command '%s %s'", name, word)
	}
	v.usage, v.blank = fmt.Sprintf("%s %s <vmid> [OPTIONS]", name, word), true
	var inside []string
	if word == "exec" {
		if i := slices.Index(rest, "--"); i >= 0 {
			rest, inside = rest[:i], rest[i+1:]
		}
	}
	words, o, err := v.parse(rest)
	if err != nil {
		return err
	}
	if len(words) == 0 {
		return v.refuse("400 not enough arguments")
	}
	id, err := strconv.Atoi(words[0])
	if err != nil || id < 100 {
		return v.invalid("vmid", "invalid format - value does not look like a valid VM ID")
	}
	words = append(words[1:], inside...)
	switch {
	case v.words >= 0 && len(words) > v.words:
		return v.refuse("400 too many arguments")
	case len(words) < v.words:
		return v.refuse("400 not enough arguments")
	}
	s, err := c.local(id, kind)
	if err != nil {
		return err
	}
	return v.do(c, s, words, o)
}

func (c *call) list(name, kind string, args []string) error {
	s := syntax{usage: name + " list  [OPTIONS]", blank: true}
	if kind == typeVM {
		s.flags = []string{"full"}
	}
	words, _, err := s.parse(args)
	if err != nil {
		return err
	}
	if len(words) > 0 {
		return s.refuse("400 too many arguments")
	}
	guests, err := c.guests()
	if err != nil {
		return err
	}
	guests = slices.DeleteFunc(guests, func(g guest) bool { return g.kind != kind || g.node != c.node })
	slices.SortFunc(guests, func(a, b guest) int { return a.id - b.id })
	if kind == typeVM {
		fmt.Fprintf(c.out, "%10s %-20s %-10s %-10s %12s %-10s\n", "VMID", "NAME", "STATUS", "MEM(MB)", "BOOTDISK(GB)", "PID")
	} else if len(guests) > 0 {
		fmt.Fprintf(c.out, "%-10s %-10s %-12s %-20s\n", "VMID", "Status", "Lock", "Name")
	}
	for _, g := range guests {
		s, err := c.state(g)
		if err != nil {
			return err
		}
		if kind == typeVM {
			fmt.Fprintf(c.out, "%10d %-20s %-10s %-10d %12.2f %-10d\n", g.id, s.name(), s.status(), s.memory()>>20, float64(s.disk())/(1<<30), s.PID)
		} else {
			fmt.Fprintf(c.out, "%-10d %-10s %-12s %-20s\n", g.id, s.status(), s.keys["lock"], s.name())
		}
	}
	return nil
}

func showConfig(c *call, s state, _ []string, _ options) error {
	_, err := fmt.Fprint(c.out, s.shown())
	return err
}

func showStatus(c *call, s state, _ []string, o options) error {
	if o.on("verbose") {
		return printTree(c.out, s.full(), 0)
	}
	_, err := fmt.Fprintf(c.out, "status: %s\n", s.qmpStatus())
	return err
}
