package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"

	"github.com/railiance/railiance/tools/internal/tell"
)

// folder is a store of a DirSite. It asks for the marker at each deed: a disk
// may go away at any time.
type folder struct {
	site *DirSite
	path string
}

// open returns the folder, or an error that is fs.ErrNotExist as long as
// nothing was put.
func (f *folder) open(ctx context.Context) (*Dir, error) {
	if err := f.site.there(ctx); err != nil {
		return nil, err
	}
	info, err := os.Lstat(f.path)
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	if !info.IsDir() {
		return nil, fmt.Errorf("store: %s is not a folder", f.path)
	}
	return &Dir{f.path}, nil
}

func (f *folder) Put(ctx context.Context, name string, write func(io.Writer) error) error {
	if err := CheckName(name); err != nil {
		return err
	}
	if err := f.site.there(ctx); err != nil {
		return err
	}
	// Mkdir makes no parents: without the site's folder there is nothing to make.
	if err := os.Mkdir(f.path, 0o700); err == nil {
		if err := (&Dir{f.site.path}).sync(); err != nil {
			return err
		}
	} else if !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("store: %w", err)
	}
	d, err := f.open(ctx)
	if err != nil {
		return err
	}
	err = d.Put(ctx, name, write)
	if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
		err = tell.Hint(err, "prune, or make room on the disk of %s", f.site.path)
	}
	return err
}

func (f *folder) Open(ctx context.Context, name string) (io.ReadCloser, error) {
	if err := CheckName(name); err != nil {
		return nil, err
	}
	d, err := f.open(ctx)
	if err != nil {
		return nil, err
	}
	return d.Open(ctx, name)
}

func (f *folder) List(ctx context.Context, prefix string) ([]Entry, error) {
	if err := f.site.there(ctx); err != nil {
		return nil, err
	}
	d, err := f.open(ctx)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return d.List(ctx, prefix)
}

func (f *folder) Remove(ctx context.Context, name string) error {
	if err := CheckName(name); err != nil {
		return err
	}
	d, err := f.open(ctx)
	if err != nil {
		return err
	}
	return d.Remove(ctx, name)
}
