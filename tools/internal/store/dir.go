package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// DraftPrefix is what the name of a draft begins with, which no artifact's does.
const DraftPrefix = ".draft-"

// Dir is a store in one folder of a file system that knows hard links, or how
// to rename without replacing.
type Dir struct{ path string }

// OpenDir returns the store in the folder at path. It must exist.
func OpenDir(path string) (*Dir, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	if !info.IsDir() {
		return nil, fmt.Errorf("store: %s is not a folder", path)
	}
	return &Dir{path: path}, nil
}

// MakeDir is OpenDir for a folder that may have to be made first (0700).
func MakeDir(path string) (*Dir, error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	return OpenDir(path)
}

// Path is where the folder is.
func (d *Dir) Path() string { return d.path }

// Put writes a draft, makes it durable, and publishes it with link(2), which
// unlike rename(2) refuses a name that is taken. What is published is 0400.
func (d *Dir) Put(ctx context.Context, name string, write func(io.Writer) error) (err error) {
	if err := CheckName(name); err != nil {
		return err
	}
	final := filepath.Join(d.path, name)
	if _, err := os.Lstat(final); err == nil {
		return fmt.Errorf("store: %s: %w", name, fs.ErrExist)
	}
	draft, err := os.CreateTemp(d.path, DraftPrefix+name+"-*") // 0600 from the first byte
	if err != nil {
		return fmt.Errorf("store: %s: %w", name, err)
	}
	defer func() {
		err = errors.Join(err, draft.Close(), remove(draft.Name()))
	}()
	if err := write(&untilDone{ctx, &earlyWriter{f: draft}}); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := draft.Chmod(0o400); err != nil {
		return fmt.Errorf("store: %s: %w", name, err)
	}
	if err := draft.Sync(); err != nil {
		return fmt.Errorf("store: %s: %w", name, err)
	}
	if err := publish(os.Link, draft.Name(), final); err != nil {
		return fmt.Errorf("store: publish %s: %w", name, err)
	}
	if err := d.sync(); err != nil {
		return errors.Join(err, remove(final))
	}
	return nil
}

// Open opens the artifact called name. The reader is an *os.File.
func (d *Dir) Open(_ context.Context, name string) (io.ReadCloser, error) {
	if err := CheckName(name); err != nil {
		return nil, err
	}
	// A link planted in the folder must not lead a restore elsewhere, nor a
	// pipe hang it.
	f, err := os.OpenFile(filepath.Join(d.path, name), os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is not a regular file", name)
	}
	if err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("store: %w", err)
	}
	return f, nil
}

// List returns the regular files of the folder; drafts are not among them.
func (d *Dir) List(_ context.Context, prefix string) ([]Entry, error) {
	files, err := os.ReadDir(d.path)
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	var entries []Entry
	for _, file := range files {
		if !strings.HasPrefix(file.Name(), prefix) || !file.Type().IsRegular() || CheckName(file.Name()) != nil {
			continue
		}
		info, err := file.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("store: %w", err)
		}
		entries = append(entries, Entry{Name: file.Name(), Size: info.Size(), Modified: info.ModTime()})
	}
	return entries, nil
}

// Remove removes the artifact called name, durably.
func (d *Dir) Remove(_ context.Context, name string) error {
	if err := CheckName(name); err != nil {
		return err
	}
	if err := os.Remove(filepath.Join(d.path, name)); err != nil {
		return fmt.Errorf("store: %w", err)
	}
	return d.sync()
}

// Sweep removes the drafts that killed runs left and returns their names. The
// caller holds the lock: a draft of a living run would go too.
func (d *Dir) Sweep() ([]string, error) {
	files, err := os.ReadDir(d.path)
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	var swept []string
	for _, file := range files {
		if !strings.HasPrefix(file.Name(), DraftPrefix) || !file.Type().IsRegular() {
			continue
		}
		if err := remove(filepath.Join(d.path, file.Name())); err != nil {
			return swept, fmt.Errorf("store: %w", err)
		}
		swept = append(swept, file.Name())
	}
	return swept, nil
}

// Free is how many bytes an unprivileged writer could still write.
func (d *Dir) Free() (int64, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(d.path, &s); err != nil {
		return 0, fmt.Errorf("store: free space of %s: %w", d.path, err)
	}
	return int64(s.Bavail) * s.Bsize, nil
}

func (d *Dir) sync() error {
	f, err := os.Open(d.path)
	if err != nil {
		return fmt.Errorf("store: %w", err)
	}
	// Some network disks cannot sync a folder, and say so. Nothing else helps there.
	err = f.Sync()
	if errors.Is(err, unix.EINVAL) {
		err = nil
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("store: make %s durable: %w", d.path, err)
	}
	return nil
}

// untilDone writes until its context is done.
type untilDone struct {
	ctx context.Context
	w   io.Writer
}

func (u *untilDone) Write(p []byte) (int, error) {
	if err := u.ctx.Err(); err != nil {
		return 0, context.Cause(u.ctx)
	}
	return u.w.Write(p)
}
