package pvetest

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// mounted is where a container's content is seen while it is mounted or runs.
func (c *call) mounted(id int) string { return c.at(fmt.Sprintf("var/lib/lxc/%d/rootfs", id)) }

func mountGuest(c *call, s state, _ []string, o options) error {
	if err := c.unlocked(s, o); err != nil {
		return err
	}
	path := c.mounted(s.id)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if err := os.Symlink(c.rootfs(s.id), path); err != nil {
		return err
	}
	conf := s.config
	conf.keys = cloned(conf.keys)
	conf.keys["lock"] = "mounted"
	if err := c.setConfig(s.guest, conf); err != nil {
		return err
	}
	_, err := fmt.Fprintf(c.out, "mounted CT %d in '%s'\n", s.id, path)
	return err
}

func unmountGuest(c *call, s state, _ []string, _ options) error {
	if s.keys["lock"] != "mounted" {
		return fail(255, "no such lock or not mounted")
	}
	if err := os.Remove(c.mounted(s.id)); err != nil {
		return err
	}
	return c.unlock(s.guest)
}

// execGuest runs what a test whether a container lives needs: true, false,
// hostname, echo, cat FILE and test -e FILE.
func execGuest(c *call, s state, words []string, _ options) error {
	if !s.runs {
		return fail(255, "container '%d' not running!", s.id)
	}
	inside := func(path string) (string, error) {
		root, err := os.OpenRoot(c.rootfs(s.id))
		if err != nil {
			return "", err
		}
		defer root.Close()
		if _, err := root.Stat(strings.TrimLeft(path, "/")); err != nil {
			return "", err
		}
		return filepath.Join(c.rootfs(s.id), path), nil
	}
	line := strings.Join(words, " ")
	switch {
	case line == "true":
		return nil
	case line == "false":
		return &exit{code: 1}
	case line == "hostname":
		_, err := fmt.Fprintln(c.out, s.name())
		return err
	case len(words) > 0 && words[0] == "echo":
		_, err := fmt.Fprintln(c.out, strings.Join(words[1:], " "))
		return err
	case len(words) == 2 && words[0] == "cat":
		path, err := inside(words[1])
		if err != nil {
			return fail(1, "cat: %s: No such file or directory", words[1])
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		_, err = io.Copy(c.out, f)
		return err
	case len(words) == 3 && words[0] == "test" && words[1] == "-e":
		if _, err := inside(words[2]); err != nil {
			return &exit{code: 1}
		}
		return nil
	}
	return fail(127, "lxc-attach: %d: Failed to exec \"%s\"", s.id, line)
}
