package pvetest

import (
	"fmt"
	"math/rand/v2"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"
)

// unlocked is an error if somebody holds the guest.
func (c *call) unlocked(s state, o options) error {
	if lock := s.keys["lock"]; lock != "" && !o.on("skiplock") {
		return fail(255, "%s is locked (%s)", s.word(), lock)
	}
	return nil
}

func startGuest(c *call, s state, _ []string, o options) error {
	if err := c.unlocked(s, o); err != nil {
		return err
	}
	if s.runs {
		return fail(255, "%s %d already running", s.word(), s.id)
	}
	if s.keys["template"] == "1" {
		return fail(255, "you can't start a %s if it's a template", strings.ToLower(s.word()))
	}
	keys := driveKey
	if s.kind == typeCT {
		keys = mountKey
	}
	for _, d := range s.drives(keys) {
		if strings.HasPrefix(d.volume, "/") {
			continue
		}
		path, err := c.path(d.volume)
		if err == nil {
			_, err = os.Stat(path)
		}
		if err != nil {
			return fail(255, "volume '%s' does not exist", d.volume)
		}
	}
	fault, err := c.fault(fmt.Sprintf("start-%d", s.id))
	if err != nil {
		return err
	}
	if is(fault, "fail") {
		return fail(255, "start failed: QEMU exited with code 1")
	}
	return c.run(s.id, running{PID: 1000 + rand.IntN(30000), Started: time.Now()})
}

func stopGuest(c *call, s state, _ []string, o options) error {
	if err := c.unlocked(s, o); err != nil {
		return err
	}
	if !s.runs && s.kind == typeCT {
		return fail(255, "CT %d not running", s.id)
	}
	return c.halt(s.id)
}

func (c *call) pause(s state, paused bool) error {
	if !s.runs {
		return fail(255, "VM %d not running", s.id)
	}
	s.running.Paused = paused
	return c.run(s.id, s.running)
}

func destroyGuest(c *call, s state, _ []string, o options) error {
	if err := c.unlocked(s, o); err != nil {
		return err
	}
	if s.keys["protection"] == "1" {
		return fail(255, "can't remove %s %d - protection mode enabled", s.word(), s.id)
	}
	if s.runs {
		return fail(255, "%s %d is running - destroy failed", s.word(), s.id)
	}
	keys := driveKey
	if s.kind == typeCT {
		keys = mountKey
	}
	for _, d := range s.drives(keys) {
		if strings.HasPrefix(d.volume, "/") {
			continue
		}
		if err := c.free(d.volume); err != nil {
			return fail(255, "%v", err)
		}
	}
	if o.on("destroy-unreferenced-disks") {
		all, err := c.storages()
		if err != nil {
			return err
		}
		for _, st := range all {
			volumes, err := c.volumes(st)
			if err != nil {
				return err
			}
			for _, v := range volumes {
				if v.guest == s.id && st.on(c.node) {
					if err := c.free(v.id); err != nil {
						return err
					}
				}
			}
		}
	}
	if s.kind == typeCT {
		if err := os.RemoveAll(c.rootfs(s.id)); err != nil {
			return err
		}
	}
	return c.removeConfig(s.guest)
}

var netKey = regexp.MustCompile(`^net[0-9]+$`)

func setGuest(c *call, s state, _ []string, o options) error {
	if err := c.unlocked(s, o); err != nil {
		return err
	}
	if digest := o.values["digest"]; digest != "" && digest != s.digest {
		return fail(255, "detected modified configuration - file changed by other user? Try again.")
	}
	conf := s.config
	conf.keys = cloned(conf.keys)
	var shown []string
	for _, name := range o.names {
		value := o.values[name]
		switch name {
		case "digest", "skiplock":
			continue
		case "description":
			conf.describe(value)
		case "delete":
			for key := range strings.SplitSeq(value, ",") {
				if _, ok := conf.keys[key]; !ok {
					fmt.Fprintf(c.err, "cannot delete '%s' - not set in current configuration!\n", key)
				}
				delete(conf.keys, key)
			}
		default:
			if strings.ContainsAny(value, "\n\r") {
				return fail(255, "400 Parameter verification failed.\n%s: invalid format", name)
			}
			if netKey.MatchString(name) && s.kind == typeVM && !regexp.MustCompile(`(?i)^(model=)?[a-z0-9]+(=[0-9a-f:]{17})?(,|$)`).MatchString(value) {
				return fail(255, "400 Parameter verification failed.\n%s: invalid format - format error", name)
			}
			if s.kind == typeCT && mountKey.MatchString(name) {
				if err := s.volumeChange(name, value); err != nil {
					return err
				}
			}
			conf.keys[name] = value
		}
		shown = append(shown, "-"+name+" "+quoted(value))
	}
	if len(shown) == 0 {
		return fail(255, "no options specified")
	}
	if s.kind == typeVM {
		fmt.Fprintf(c.out, "update VM %d: %s\n", s.id, strings.Join(shown, " "))
	}
	return c.setConfig(s.guest, conf)
}

// volumeChange is an error if a volume of a container may not be set so. Other
// changes than those of options are not faked.
func (s state) volumeChange(key, value string) error {
	if s.keys["protection"] == "1" {
		return fail(255, "can't update CT %d drive '%s' - protection mode enabled", s.id, key)
	}
	props := properties(value, "volume")
	if s.keys[key] == "" || props["volume"] != properties(s.keys[key], "volume")["volume"] {
		return fail(255, "pvetest: only options of the volumes that are there are faked")
	}
	for name, v := range props {
		switch name {
		case "volume", "size", "mountoptions":
		case "mp", "backup":
			if key == "rootfs" {
				return fail(255, "400 Parameter verification failed.\n%s: invalid format - format error\n%s.%s: property is not defined in schema and the schema does not allow additional properties", key, key, name)
			}
		case "acl", "quota", "replicate", "ro", "shared":
			if v != "0" && v != "1" {
				return fail(255, "400 Parameter verification failed.\n%s: invalid format - format error\n%s.%s: type check ('boolean') failed - got '%s'", key, key, name, v)
			}
		default:
			return fail(255, "400 Parameter verification failed.\n%s: invalid format - format error\n%s.%s: property is not defined in schema and the schema does not allow additional properties", key, key, name)
		}
	}
	return nil
}

// agent answers `qm agent` and `qm guest cmd`: ping alone, once the guest has
// had its time to boot.
func agent(c *call, s state, words []string, _ options) error {
	if !slices.Contains([]string{"ping", "get-osinfo", "get-host-name", "fsfreeze-status"}, words[0]) {
		return fail(255, "400 Parameter verification failed.\ncommand: value '%s' does not have a value in the enumeration 'fsfreeze-status, get-host-name, get-osinfo, ping'", words[0])
	}
	switch {
	case !s.runs:
		return fail(255, "VM %d is not running", s.id)
	case properties(s.keys["agent"], "enabled")["enabled"] != "1":
		return fail(255, "No QEMU guest agent configured")
	}
	fault, err := c.fault(fmt.Sprintf("agent-%d", s.id))
	if err != nil {
		return err
	}
	seconds, late := amount(fault, "after")
	if is(fault, "never") || late && time.Since(s.Started) < time.Duration(seconds)*c.second {
		return fail(255, "QEMU guest agent is not running")
	}
	switch words[0] {
	case "get-osinfo":
		_, err = fmt.Fprintf(c.out, "{\n   \"id\" : \"debian\",\n   \"name\" : \"Debian GNU/Linux\"\n}\n")
	case "get-host-name":
		_, err = fmt.Fprintf(c.out, "{\n   \"host-name\" : %q\n}\n", s.name())
	case "fsfreeze-status":
		_, err = fmt.Fprintf(c.out, "\"thawed\"\n")
	}
	return err
}
