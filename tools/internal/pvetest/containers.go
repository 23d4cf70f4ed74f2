package pvetest

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
)

// CT is a container to be made.
type CT struct {
	ID          int
	Node        string
	Name        string
	Privileged  bool
	Size        int64 // bytes of the rootfs; 0: 1 GiB
	Storage     string
	Files       map[string]string // content by path; etc/os-release of a Debian is made besides
	Mounts      []Mount
	Tags        []string
	Pool        string
	Description string
	Running     bool
	Lock        string
	Keys        map[string]string
}

// Mount is a mount point of a CT: a volume, or a path of the node.
type Mount struct {
	Key    string // mp0
	Path   string // within the container
	Bind   string // path of the node; empty: a volume
	Size   int64  // bytes; 0: 1 GiB
	Backup bool   // backup=1
}

// AddCT makes a container.
func (w *World) AddCT(ct CT) error {
	g := guest{ct.ID, typeCT, ct.Node}
	keys := map[string]string{"arch": "amd64", "memory": "512", "ostype": "debian", "swap": "512"}
	if !ct.Privileged {
		keys["unprivileged"] = "1"
	}
	w.common(keys, "hostname", ct.Name, ct.Tags, ct.Lock)
	at, err := w.on(ct.Node)
	if err != nil {
		return err
	}
	next := map[string]int{}
	storage := ct.Storage
	if storage == "" {
		storage = "local"
	}
	size := func(n int64) int64 {
		if n == 0 {
			return 1 << 30
		}
		return n
	}
	if keys["rootfs"], err = at.addDisk(ct.ID, next, Disk{Key: "rootfs", Storage: storage, Size: size(ct.Size)}); err != nil {
		return err
	}
	files := maps.Clone(ct.Files)
	if files == nil {
		files = map[string]string{}
	}
	if _, ok := files["etc/os-release"]; !ok {
		files["etc/os-release"] = "NAME=\"Debian GNU/Linux\"\nID=debian\n"
	}
	for _, m := range ct.Mounts {
		value := m.Bind
		if value == "" {
			if value, err = at.addDisk(ct.ID, next, Disk{Key: m.Key, Storage: storage, Size: size(m.Size)}); err != nil {
				return err
			}
		}
		first, rest, more := strings.Cut(value, ",")
		keys[m.Key] = first + ",mp=" + m.Path
		if m.Backup {
			keys[m.Key] += ",backup=1"
		}
		if more {
			keys[m.Key] += "," + rest
		}
		if err := os.MkdirAll(filepath.Join(at.rootfs(ct.ID), m.Path), 0o755); err != nil {
			return err
		}
	}
	for path, text := range files {
		if err := write(filepath.Join(at.rootfs(ct.ID), path), []byte(text)); err != nil {
			return err
		}
	}
	return w.add(g, keys, ct.Keys, ct.Description, ct.Pool, ct.Running, false)
}
