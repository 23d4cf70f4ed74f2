package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/sirupsen/logrus"
)

type snapshotFile struct {
	name, location string
	size           int64
	created        time.Time
}

// snapshots are the files in the snapshot folder, oldest first. Their age is
// in their name: copying one changes its file times.
func snapshots(dir string) ([]snapshotFile, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("Error: %w", err)
	}
	var out []snapshotFile
	for _, e := range entries {
		base := strings.TrimSuffix(e.Name(), ".zip")
		seconds, err := strconv.ParseInt(base[strings.LastIndex(base, "-")+1:], 10, 64)
		if err != nil || !e.Type().IsRegular() {
			continue
		}
		info, err := e.Info()
		if err != nil {
			return nil, err
		}
		out = append(out, snapshotFile{e.Name(), "file://" + filepath.Join(dir, e.Name()), info.Size(), time.Unix(seconds, 0)})
	}
	slices.SortFunc(out, func(a, b snapshotFile) int { return a.created.Compare(b.created) })
	return out, nil
}

func listSnapshots(o *options) error {
	files, err := snapshots(o.snapshotDir)
	if err != nil {
		return err
	}
	switch o.output {
	case "table":
		w := tabwriter.NewWriter(os.Stdout, 0, 0, 1, ' ', 0)
		fmt.Fprint(w, "Name\tLocation\tSize\tCreated\n")
		for _, f := range files {
			fmt.Fprintf(w, "%s\t%s\t%d\t%s\n", f.name, f.location, f.size, f.created.Format(time.RFC3339))
		}
		return w.Flush()
	case "json":
		type m = map[string]any
		items := []m{}
		for _, f := range files {
			items = append(items, m{
				"metadata": m{"name": "local-" + f.name},
				"spec":     m{"snapshotName": f.name, "nodeName": o.nodeName, "location": f.location},
				"status":   m{"size": strconv.FormatInt(f.size, 10), "creationTime": f.created.UTC().Format(time.RFC3339), "readyToUse": true},
			})
		}
		enc := json.NewEncoder(os.Stdout)
		enc.SetIndent("", "  ")
		return enc.Encode(m{"kind": "ETCDSnapshotFileList", "apiVersion": "k3s.cattle.io/v1", "metadata": m{}, "items": items})
	}
	return fmt.Errorf("invalid output format %q: this stand-in prints table and json", o.output)
}

func deleteSnapshots(o *options, names []string) error {
	if len(names) == 0 {
		return errors.New("no snapshots given for removal")
	}
	for _, name := range names {
		if name != filepath.Base(name) {
			return fmt.Errorf("Error: invalid snapshot name %q", name)
		}
		if err := os.Remove(filepath.Join(o.snapshotDir, name)); err != nil {
			return fmt.Errorf("Error: %w", err)
		}
		logrus.Infof("Snapshot %s deleted.", name)
	}
	return nil
}

// prune goes by bare prefix, as k3s does: "web" takes the snapshots of "web2" as well.
func prune(o *options) error {
	files, err := snapshots(o.snapshotDir)
	if err != nil {
		return err
	}
	files = slices.DeleteFunc(files, func(f snapshotFile) bool { return !strings.HasPrefix(f.name, o.snapshotName) })
	for len(files) > max(0, o.snapshotRetention) {
		if err := deleteSnapshots(o, []string{files[0].name}); err != nil {
			return err
		}
		files = files[1:]
	}
	return nil
}
