package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// cluster is where pveworld keeps the nodes.
func (w *world) cluster() string { return w.Path("cluster") }

type guest struct {
	ID               int
	Type, Node, Name string
}

// guests asks a node which there are.
func (w *world) guests(ctx context.Context) ([]guest, error) {
	out, err := w.on(ctx, "baobab", "pvesh get /cluster/resources --type vm --output-format json")
	if err != nil {
		return nil, err
	}
	var all []struct {
		VMID             int
		Type, Node, Name string
	}
	if err := json.Unmarshal([]byte(out), &all); err != nil {
		return nil, err
	}
	var found []guest
	for _, g := range all {
		found = append(found, guest{g.VMID, g.Type, g.Node, g.Name})
	}
	return found, nil
}

var diskLine = regexp.MustCompile(`^((?:scsi|virtio|sata|ide|efidisk)\d+): ([^,]+)(.*)$`)

// inventory is the hash of every disk and every container's files that a backup
// has to hold, by "vmid key".
func (w *world) inventory(ctx context.Context) (map[string]string, error) {
	guests, err := w.guests(ctx)
	if err != nil {
		return nil, err
	}
	all := map[string]string{}
	for _, g := range guests {
		if g.Type == "lxc" {
			// Of a stopped container the files are where its volumes are.
			if all[fmt.Sprintf("%d files", g.ID)], err = w.tree(g); err != nil {
				return nil, err
			}
			continue
		}
		disks, err := w.disksOf(ctx, g)
		if err != nil {
			return nil, err
		}
		for key, path := range disks {
			if all[fmt.Sprintf("%d %s", g.ID, key)], err = sum(path); err != nil {
				return nil, err
			}
		}
	}
	return all, nil
}

// disksOf are the files of a guest's disks that belong into a backup.
func (w *world) disksOf(ctx context.Context, g guest) (map[string]string, error) {
	config, err := w.on(ctx, g.Node, fmt.Sprintf("qm config %d", g.ID))
	if err != nil {
		return nil, err
	}
	disks := map[string]string{}
	lines := bufio.NewScanner(strings.NewReader(config))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		m := diskLine.FindStringSubmatch(lines.Text())
		if m == nil || strings.Contains(m[3], "backup=0") || strings.Contains(m[3], "media=cdrom") {
			continue
		}
		path, err := w.on(ctx, g.Node, "pvesm path "+m[2])
		if err != nil {
			return nil, err
		}
		disks[m[1]] = strings.TrimSpace(path)
	}
	return disks, lines.Err()
}

// tree is the hash of a container's files, without what no backup holds: the
// volumes that have no backup=1.
func (w *world) tree(g guest) (string, error) {
	dir := filepath.Join(w.cluster(), "nodes", g.Node, "rootfs", fmt.Sprint(g.ID))
	var lines []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		if g.ID == 200 && (strings.HasPrefix(name+"/", "data/") || strings.HasPrefix(name+"/", "host/")) {
			return nil
		}
		line := name + " " + d.Type().String()
		if d.Type().IsRegular() {
			hash, err := sum(path)
			if err != nil {
				return err
			}
			line += " " + hash
		}
		lines = append(lines, line)
		return nil
	})
	slices.Sort(lines)
	return fmt.Sprintf("%x", sha256.Sum256([]byte(strings.Join(lines, "\n")))), err
}

func sum(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return fmt.Sprintf("%x", h.Sum(nil)), nil
}

// site is the folder that a store of ours writes to, on the disk of its server.
func (w *world) sites() map[string]string {
	return map[string]string{"disk": w.Path("disk"), "bucket": w.Path("s3/" + bucket), "cloud": w.Path("dav/files")}
}

// files are those that match below a folder of a site.
func (w *world) files(site, pattern string) ([]string, error) {
	return filepath.Glob(filepath.Join(w.sites()[site], pattern))
}
