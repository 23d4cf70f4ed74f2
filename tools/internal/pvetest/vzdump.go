package pvetest

import (
	"os"
	"strconv"
)

func vzdumpSyntax() syntax {
	return syntax{
		usage: "vzdump {<vmid>} [OPTIONS]",
		values: []string{
			"mode", "compress", "node", "dumpdir", "tmpdir", "fleecing", "bwlimit", "ionice", "storage", "notes-template",
			"lockwait", "notification-mode", "performance", "zstd",
		},
		flags: []string{"stdout", "all", "quiet", "remove", "stdexcludes", "protected"},
		enums: map[string]string{"mode": "snapshot, suspend, stop", "compress": "0, 1, gzip, lzo, zstd", "notification-mode": "auto, legacy-sendmail, notification-system"},
	}
}

// vzdump writes one guest to standard output. Archives in files are not faked.
func vzdump(c *call, args []string) error {
	s := vzdumpSyntax()
	words, o, err := s.parse(args)
	if err != nil {
		return err
	}
	if o.has("notes-template") && !o.has("storage") {
		return s.invalid("storage", "missing property required by 'notes-template'")
	}
	if o.has("protected") && !o.has("storage") {
		return s.invalid("storage", "missing property required by 'protected'")
	}
	var ids []int
	for _, word := range words {
		id, err := strconv.Atoi(word)
		if err != nil || id < 100 || id > 999999999 {
			return s.invalid("vmid", "invalid format - invalid VMID")
		}
		ids = append(ids, id)
	}
	if o.has("storage") {
		if o.on("stdout") {
			return fail(255, "cannot use options 'storage' and 'stdout' at the same time")
		}
		if _, err := c.storage(o.values["storage"]); err != nil {
			return fail(255, "could not activate storage '%[1]s': %[2]v could not get storage information for '%[1]s': %[2]v", o.values["storage"], err)
		}
	}
	if o.on("stdout") && (o.on("all") || len(ids) > 1) {
		return fail(255, "you can only backup a single VM with option --stdout")
	}
	if len(ids) == 0 && !o.on("all") {
		return s.invalid("vmid", "property is missing and it is not optional")
	}
	if !o.on("stdout") {
		return fail(255, "pvetest: only --stdout is faked")
	}
	if node := o.values["node"]; o.has("node") && node != c.node {
		return nil
	}
	j := &job{call: c, id: ids[0], options: o, dumpdir: c.at("var/lib/vz/dump")}
	if o.has("dumpdir") {
		j.dumpdir = o.values["dumpdir"]
		if info, err := os.Stat(j.dumpdir); err != nil || !info.IsDir() {
			return fail(255, "dumpdir '%s' does not exist", j.dumpdir)
		}
	} else if err := os.MkdirAll(j.dumpdir, 0o755); err != nil {
		return err
	}
	return j.run()
}
