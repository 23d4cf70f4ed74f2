package guestrestore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/railiance/railiance/tools/internal/guestset"
	"github.com/railiance/railiance/tools/internal/tell"
)

// Extracted is what was written.
type Extracted struct {
	Path  string
	Files []File
	Swept bool // what a killed run had left beside Path was removed
	About guestset.About
}

// File is one that was written.
type File struct {
	Name string `json:"name"`
	Size int64  `json:"size"` // bytes, holes included
}

// Extract writes what the set holds into a folder at path: each disk of a
// virtual machine as <key>.raw, with holes where it is zero, a container as
// <subject>.tar, and the configuration, the firewall file and the account of
// the backup. With disk, that disk alone is written, as a file at path.
//
// Nothing appears at path before all of it is proven, and nothing that is there
// is written over.
func Extract(ctx context.Context, s Source, disk, path string) (done Extracted, err error) {
	from, err := s.open(ctx)
	if err != nil {
		return done, err
	}
	defer from.archive.Close()
	done.About = from.about
	if disk != "" {
		if err := from.has(disk); err != nil {
			return done, err
		}
	}
	d, swept, err := newDraft(path)
	if err != nil {
		return done, err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	done.Path, done.Swept = d.path, swept
	done.Files, err = from.extract(ctx, d, disk)
	switch {
	case err != nil:
		return done, err
	case disk != "":
		return done, d.publishFile(rawName(disk))
	}
	account, err := json.MarshalIndent(from.about, "", "  ")
	if err == nil {
		err = d.write("about.json", append(account, '\n'))
	}
	if err != nil {
		return done, err
	}
	return done, d.publish()
}

// has refuses a disk that is not in the archive.
func (o *opened) has(disk string) error {
	if o.Kind != guestset.KindVMA {
		return fmt.Errorf("%s is no virtual machine: it has no disks", o.Asset)
	}
	var keys []string
	for _, d := range o.about.Disks {
		keys = append(keys, d.Key)
	}
	if slices.Contains(keys, disk) {
		return nil
	}
	for _, out := range o.about.LeftOut {
		if out.Key == disk {
			return fmt.Errorf("disk %s is not in the backup: %s", disk, out.Why)
		}
	}
	return tell.Hint(fmt.Errorf("the backup has no disk %q", disk), "it has %s", strings.Join(keys, ", "))
}

func rawName(disk string) string { return disk + ".raw" }
