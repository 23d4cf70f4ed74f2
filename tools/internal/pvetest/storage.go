package pvetest

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// storage is an entry of storage.cfg.
type storage struct {
	name string
	kind string // dir or lvmthin
	keys map[string]string
}

func (s storage) shared() bool { return s.keys["shared"] == "1" }

// on says whether the storage is there on a node.
func (s storage) on(node string) bool {
	return s.keys["nodes"] == "" || slices.Contains(strings.Split(s.keys["nodes"], ","), node)
}

func (s storage) holds(content string) bool {
	return slices.Contains(strings.Split(s.keys["content"], ","), content)
}

func (c cluster) storages() ([]storage, error) {
	b, err := os.ReadFile(c.pve("storage.cfg"))
	if err != nil {
		return nil, err
	}
	var all []storage
	for line := range strings.Lines(string(b)) {
		kind, name, head := strings.Cut(strings.TrimSpace(line), ": ")
		switch {
		case strings.TrimSpace(line) == "":
		case head && !strings.HasPrefix(line, "\t"):
			all = append(all, storage{name, kind, map[string]string{}})
		case len(all) > 0:
			key, value, _ := strings.Cut(strings.TrimSpace(line), " ")
			all[len(all)-1].keys[key] = value
		}
	}
	return all, nil
}

// storage is the storage of that name, if the node has it.
func (c *call) storage(name string) (storage, error) {
	all, err := c.storages()
	if err != nil {
		return storage{}, err
	}
	i := slices.IndexFunc(all, func(s storage) bool { return s.name == name })
	if i < 0 {
		return storage{}, fmt.Errorf("storage '%s' does not exist", name)
	}
	if !all[i].on(c.node) {
		return storage{}, fmt.Errorf("storage '%s' is not available on node '%s'", name, c.node)
	}
	return all[i], nil
}

// folder is where a storage's content lies.
func (c *call) folder(s storage) string {
	if s.shared() {
		return filepath.Join(c.dir, "shared", s.name)
	}
	if s.kind == "lvmthin" {
		return c.at("dev/" + s.keys["vgname"])
	}
	return c.at(s.keys["path"])
}

// path is where a volume lies: local:100/vm-100-disk-0.raw.
func (c *call) path(volume string) (string, error) {
	name, rest, ok := strings.Cut(volume, ":")
	if !ok {
		return "", fmt.Errorf("unable to parse volume ID '%s'", volume)
	}
	s, err := c.storage(name)
	if err != nil {
		return "", err
	}
	if !regexp.MustCompile(`^([0-9]+/)?[A-Za-z0-9][A-Za-z0-9._-]*$`).MatchString(rest) {
		return "", fmt.Errorf("unable to parse directory volume name '%s'", rest)
	}
	if s.kind == "lvmthin" {
		return filepath.Join(c.folder(s), rest), nil
	}
	return filepath.Join(c.folder(s), "images", rest), nil
}

// allocate makes a volume for a guest, sparse, and says so as the real one
// does. That nobody hears it is no error: else nobody would take it back.
func (c *call) allocate(s storage, id int, size int64) (string, error) {
	for n := 0; ; n++ {
		name := fmt.Sprintf("vm-%d-disk-%d", id, n)
		if s.kind != "lvmthin" {
			name = fmt.Sprintf("%d/%s.raw", id, name)
		}
		volume := s.name + ":" + name
		path, err := c.path(volume)
		if err != nil {
			return "", err
		}
		if _, err := os.Lstat(path); err == nil {
			continue
		}
		if err := c.freshDisk(path, size); err != nil {
			return "", err
		}
		if s.kind == "lvmthin" {
			fmt.Fprintf(c.out, "  Logical volume \"%s\" created.\n", filepath.Base(path))
		} else {
			fmt.Fprintf(c.out, "Formatting '%s', fmt=raw size=%d preallocation=off\n", path, size)
		}
		return volume, nil
	}
}

func (c *call) freshDisk(path string, size int64) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o640)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Truncate(size)
}

// free removes a volume, and the folder that it leaves empty.
func (c *call) free(volume string) error {
	path, err := c.path(volume)
	if err != nil {
		return err
	}
	if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
		return err
	}
	if dir := filepath.Dir(path); filepath.Base(filepath.Dir(dir)) == "images" {
		_ = os.Remove(dir) // not empty: others are in it
	}
	return nil
}

// space is the total, used and available room of a storage, in bytes.
func (c *call) space(s storage) (total, used, avail int64, err error) {
	dir := c.folder(s)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return 0, 0, 0, err
	}
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, 0, 0, err
	}
	size := st.Bsize
	return int64(st.Blocks) * size, int64(st.Blocks-st.Bfree) * size, int64(st.Bavail) * size, nil
}
