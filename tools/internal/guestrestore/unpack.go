package guestrestore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/railiance/railiance/tools/internal/cttar"
	"github.com/railiance/railiance/tools/internal/guestread"
	"github.com/railiance/railiance/tools/internal/guestset"
	"github.com/railiance/railiance/tools/internal/nodetar"
	"github.com/railiance/railiance/tools/internal/vma"
)

func (o *opened) extract(ctx context.Context, d *draft, disk string) ([]File, error) {
	switch o.Kind {
	case guestset.KindVMA:
		return o.disks(ctx, d, disk)
	case guestset.KindTar:
		return o.tar(ctx, d)
	case guestset.KindNode:
		return o.copy(ctx, d, o.Asset+".tar", func(r io.Reader) error {
			found, err := nodetar.Verify(r)
			if err != nil {
				return err
			}
			return guestread.Node(found, o.about)
		})
	}
	return nil, fmt.Errorf("%s: an archive of kind %q cannot be taken apart here", o.Name, o.Kind)
}

func (o *opened) disks(ctx context.Context, d *draft, only string) (files []File, err error) {
	var open []*os.File
	defer func() {
		for _, f := range open {
			err = errors.Join(err, f.Close())
		}
	}()
	var ours error // a failure to write is no fault of the copy
	found, err := vma.Extract(o.archive, func(head vma.Archive) (map[string]vma.Target, error) {
		if only == "" {
			for _, c := range head.Configs {
				if ours = d.write(c.Name, c.Data); ours != nil {
					return nil, ours
				}
				files = append(files, File{c.Name, int64(len(c.Data))})
			}
		}
		targets := map[string]vma.Target{}
		for _, disk := range o.about.Disks {
			if only != "" && only != disk.Key {
				continue
			}
			f, err := d.create(rawName(disk.Key))
			if err != nil {
				ours = err
				return nil, err
			}
			open = append(open, f)
			targets[disk.Device] = &target{f, &ours}
			files = append(files, File{rawName(disk.Key), disk.Size})
		}
		return targets, nil
	})
	if ours != nil {
		return nil, ours
	}
	if err == nil {
		err = guestread.Disks(found, o.about)
	}
	if err := o.prove(ctx, err); err != nil {
		return nil, err
	}
	for _, f := range open {
		if err := f.Sync(); err != nil {
			return nil, err
		}
	}
	return files, nil
}

// target notes that it was the disk here which failed.
type target struct {
	*os.File
	err *error
}

func (t *target) WriteAt(p []byte, at int64) (int, error) {
	n, err := t.File.WriteAt(p, at)
	if err != nil {
		*t.err = err
	}
	return n, err
}

func (t *target) Truncate(size int64) error {
	err := t.File.Truncate(size)
	if err != nil {
		*t.err = err
	}
	return err
}

func (o *opened) tar(ctx context.Context, d *draft) ([]File, error) {
	var found cttar.Archive
	files, err := o.copy(ctx, d, o.Asset+".tar", func(r io.Reader) error {
		var err error
		if found, err = cttar.Verify(r); err != nil {
			return err
		}
		return guestread.Container(found, o.about)
	})
	if err != nil {
		return nil, err
	}
	for name, content := range map[string][]byte{"pct.conf": found.Config, "pct.fw": found.Firewall} {
		if len(content) == 0 {
			continue
		}
		if err := d.write(name, bytes.Clone(content)); err != nil {
			return nil, err
		}
		files = append(files, File{name, int64(len(content))})
	}
	return files, nil
}

// copy writes the archive itself, and has it read by check on its way.
func (o *opened) copy(ctx context.Context, d *draft, name string, check func(io.Reader) error) ([]File, error) {
	f, err := d.create(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var ours error
	written := io.TeeReader(o.archive, writer(func(p []byte) (int, error) {
		n, err := f.Write(p)
		ours = err
		return n, err
	}))
	if err = check(written); err == nil {
		_, err = io.Copy(io.Discard, written)
	}
	if ours != nil {
		return nil, ours
	}
	if err := o.prove(ctx, err); err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	return []File{{name, info.Size()}}, f.Sync()
}

type writer func([]byte) (int, error)

func (w writer) Write(p []byte) (int, error) { return w(p) }

// prove reads the archive to its end: that other bytes are there than were
// signed explains every other error of what is in it, err.
func (o *opened) prove(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if _, rest := io.Copy(io.Discard, o.archive); rest != nil {
		return unreliable(ctx, rest)
	}
	if err != nil {
		err = fmt.Errorf("%s: %w", o.Name, err)
	}
	return unreliable(ctx, err)
}
