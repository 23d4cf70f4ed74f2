package fake

import (
	"archive/zip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"
)

// snapshot is `k3s etcd-snapshot VERB`.
func (w world) snapshot(verb string, args []string, stdout, stderr io.Writer) error {
	name, dataDir, s3 := "on-demand", "/var/lib/rancher/k3s", "false"
	known := map[string]*string{"data-dir": &dataDir, "etcd-s3": &s3}
	if verb == "save" {
		known["name"] = &name
	}
	rest, err := flags(args, known)
	if err != nil {
		return err
	}
	if verb != "delete" && len(rest) > 0 {
		return fmt.Errorf("unexpected argument %q", rest[0])
	}
	if s3 != "false" {
		return errors.New("failed to test for existence of bucket: no credentials")
	}
	if real, _ := w.text("data-dir"); dataDir != real {
		return fmt.Errorf("open %s/server/token: no such file or directory", dataDir)
	}
	switch {
	case w.fault(FaultAPIDown):
		return errors.New(`see server log for details: Post "https://127.0.0.1:6443/db/snapshot": dial tcp 127.0.0.1:6443: connect: connection refused`)
	case w.fault(FaultSQLite):
		return errors.New("see server log for details: etcd datastore disabled")
	}
	dir := filepath.Join(dataDir, "server", "db", "snapshots")
	switch verb {
	case "save":
		return w.save(dir, name, stderr)
	case "list", "ls":
		return listSnapshots(dir, stdout)
	case "delete":
		return deleteSnapshots(dir, rest, stderr)
	}
	return fmt.Errorf("no help topic for '%s'", verb)
}

func (w world) save(dir, name string, stderr io.Writer) error {
	node, _ := w.text("node")
	file := fmt.Sprintf("%s-%s-%d", name, node, time.Now().Unix())
	if slow, ok := w.text(FaultSaveSlow); ok {
		d, err := time.ParseDuration(slow)
		if err != nil {
			return err
		}
		time.Sleep(d)
	}
	if w.fault(FaultSaveNothing) {
		logLine(stderr, "Saving etcd snapshot to %s", filepath.Join(dir, file))
		return nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	b, err := os.ReadFile(w.path("snapshot.db"))
	if err != nil {
		return err
	}
	if w.fault(FaultSaveFails) {
		return errors.Join(os.WriteFile(filepath.Join(dir, file), b[:len(b)/2], 0o600),
			errors.New("see server log for details: etcdserver: request timed out"))
	}
	if w.fault(FaultZip) {
		file += ".zip"
		err = saveZip(filepath.Join(dir, file), b)
	} else {
		err = os.WriteFile(filepath.Join(dir, file), b, 0o600)
	}
	if err != nil {
		return err
	}
	logLine(stderr, "Snapshot %s saved.", file)
	return nil
}

// saveZip writes what k3s writes when it compresses: one deflated member of
// the same name.
func saveZip(path string, b []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	z := zip.NewWriter(f)
	member, err := z.Create(strings.TrimSuffix(filepath.Base(path), ".zip"))
	if err == nil {
		_, err = member.Write(b)
	}
	return errors.Join(err, z.Close(), f.Close())
}

func listSnapshots(dir string, stdout io.Writer) error {
	files, err := os.ReadDir(dir)
	if err != nil && !os.IsNotExist(err) {
		return err
	}
	t := tabwriter.NewWriter(stdout, 0, 0, 1, ' ', 0)
	fmt.Fprintln(t, "Name\tLocation\tSize\tCreated")
	for _, file := range files {
		info, err := file.Info()
		if err != nil {
			return err
		}
		fmt.Fprintf(t, "%s\tfile://%s\t%d\t%s\n", file.Name(), filepath.Join(dir, file.Name()), info.Size(), info.ModTime().UTC().Format(time.RFC3339))
	}
	return t.Flush()
}

func deleteSnapshots(dir string, names []string, stderr io.Writer) error {
	if len(names) == 0 {
		return errors.New("no snapshots given for removal")
	}
	for _, name := range names {
		if filepath.Base(name) != name {
			return fmt.Errorf("snapshot %s: not a name", name)
		}
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			return err
		}
		logLine(stderr, "Snapshot %s deleted.", name)
	}
	return nil
}
