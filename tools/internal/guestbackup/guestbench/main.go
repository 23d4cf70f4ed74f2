// guestbench backs one guest up and reads it back with the code that does so in
// earnest, but for ssh: the archive comes from a pipe, as it would from there.
//
//	guestbench init DIR             a layer with keys and one site, DIR/site
//	guestbench backup DIR ARCHIVE   a set of the guest in the site
//	guestbench extract DIR FILE     the disk of the newest set, as a raw image
//
// The one thing to know: it is what the benchmark measures, so nothing may
// happen here that does not happen on a real day.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/railiance/railiance/tools/internal/catalog"
	"github.com/railiance/railiance/tools/internal/guestbackup"
	"github.com/railiance/railiance/tools/internal/guestrestore"
	"github.com/railiance/railiance/tools/internal/guestset"
	"github.com/railiance/railiance/tools/internal/layer"
	"github.com/railiance/railiance/tools/internal/pve"
	"github.com/railiance/railiance/tools/internal/sign"
	"github.com/railiance/railiance/tools/internal/store"
	"github.com/railiance/railiance/tools/internal/tell"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "guestbench:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	switch {
	case len(args) == 2 && args[0] == "init":
		return prepare(args[1])
	case len(args) == 3 && args[0] == "backup":
		return backup(args[1], args[2])
	case len(args) == 3 && args[0] == "extract":
		return extract(args[1], args[2])
	}
	return errors.New("usage: guestbench init DIR | backup DIR ARCHIVE | extract DIR FILE")
}

var guest = pve.Guest{ID: 100, Type: pve.VM, Node: "baobab", Name: "web-01", Status: "running"}

// piped is a cluster with that guest, whose archive is in a file.
type piped struct{ archive string }

func (p piped) Locate(context.Context, int) (pve.Guest, error) { return guest, nil }

func (p piped) Dump(ctx context.Context, _ pve.Guest, _ pve.DumpOptions, w io.Writer) (string, error) {
	cat := exec.CommandContext(ctx, "cat", p.archive)
	cat.Stdout = w
	return "INFO: Finished Backup of VM 100\n", cat.Run()
}

func site(dir string) store.Site { return store.NewDirSite(filepath.Join(dir, "site"), "") }

func load(dir string) (*layer.Layer, error) {
	return layer.Load(filepath.Join(dir, "layer"), layer.Places{
		BackupRoot: filepath.Join(dir, "backups"), StateRoot: filepath.Join(dir, "state"), Home: dir,
	})
}

func backup(dir, archive string) error {
	l, err := load(dir)
	if err != nil {
		return err
	}
	r := &guestbackup.Run{
		Layer: l, Cluster: piped{archive}, Sites: []guestbackup.Site{{Name: siteName, Place: site(dir)}},
		Tool: "guestbench", Now: time.Now, Asked: true,
		Tell: &tell.Teller{Program: "guestbench", Layer: l.Name, W: os.Stderr},
	}
	if err := r.SetUp(); err != nil {
		return err
	}
	_, err = r.Do(context.Background(), []pve.Guest{guest}, false)
	return err
}

func extract(dir, path string) error {
	ctx := context.Background()
	l, err := load(dir)
	if err != nil {
		return err
	}
	keys, err := privateKeys(dir)
	if err != nil {
		return err
	}
	trust, err := sign.LoadTrust(l.Signers)
	if err != nil {
		return err
	}
	subject := guestbackup.SubjectOf(guest)
	folder, err := site(dir).Store(ctx, subject.String())
	if err != nil {
		return err
	}
	sets, problems, err := guestset.Read(ctx, folder, l.Name, subject, trust)
	if err != nil || len(problems) > 0 {
		return fmt.Errorf("%v: %w", problems, err)
	}
	set, ok := catalog.NewestComplete(sets)
	if !ok {
		return errors.New("there is no set")
	}
	_, err = guestrestore.Extract(ctx, guestrestore.Source{Folder: folder, Subject: subject, Set: set, Keys: keys}, "scsi0", path)
	return err
}
