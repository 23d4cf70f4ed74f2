package guestrestore

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// draft is a folder beside the place where something is to appear whole. It
// holds what was decrypted, so that a killed run's is not left to lie there.
type draft struct {
	*os.Root
	dir, path string
	lock      *os.File
}

// newDraft makes the draft of path, at which nothing may be. It takes over the
// draft of a run that was killed; swept says that there was one.
func newDraft(path string) (d *draft, swept bool, err error) {
	path = filepath.Clean(path)
	if _, err := os.Lstat(path); err == nil {
		return nil, false, fmt.Errorf("%s: %w: nothing is written over", path, fs.ErrExist)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, false, err
	}
	dir := filepath.Join(filepath.Dir(path), ".draft-"+filepath.Base(path))
	err = os.Mkdir(dir, 0o700)
	if errors.Is(err, fs.ErrExist) {
		if err := sweep(dir); err != nil {
			return nil, false, err
		}
		swept, err = true, os.Mkdir(dir, 0o700)
	}
	if err != nil {
		return nil, swept, err
	}
	d = &draft{dir: dir, path: path}
	if d.lock, err = lockDir(dir); err == nil {
		d.Root, err = os.OpenRoot(dir)
	}
	if err != nil {
		return nil, swept, errors.Join(err, d.Close())
	}
	return d, swept, nil
}

// sweep removes the draft of a run that is dead.
func sweep(dir string) error {
	lock, err := lockDir(dir)
	if err != nil {
		return err
	}
	defer lock.Close()
	return os.RemoveAll(dir)
}

func lockDir(dir string) (*os.File, error) {
	f, err := os.OpenFile(dir, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: another run is writing there: %w", dir, err), f.Close())
	}
	return f, nil
}

// create makes a file of the draft.
func (d *draft) create(name string) (*os.File, error) {
	return d.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
}

// write makes a file of the draft with that content.
func (d *draft) write(name string, content []byte) error {
	f, err := d.create(name)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	return errors.Join(err, f.Sync(), f.Close())
}

// publish makes the draft appear, unless something did meanwhile.
func (d *draft) publish() error {
	if err := errors.Join(d.lock.Sync(), rename(d.dir, d.path)); err != nil {
		return err
	}
	d.dir = ""
	return syncDir(filepath.Dir(d.path))
}

// publishFile makes one file of the draft appear instead.
func (d *draft) publishFile(name string) error {
	if err := rename(filepath.Join(d.dir, name), d.path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(d.path))
}

// rename never replaces anything.
func rename(from, to string) error {
	err := unix.Renameat2(unix.AT_FDCWD, from, unix.AT_FDCWD, to, unix.RENAME_NOREPLACE)
	if errors.Is(err, unix.EINVAL) { // a file system that cannot promise it
		if _, err = os.Lstat(to); errors.Is(err, fs.ErrNotExist) {
			err = os.Rename(from, to)
		} else if err == nil {
			err = fs.ErrExist
		}
	}
	if err != nil {
		return fmt.Errorf("%s: %w", to, err)
	}
	return nil
}

func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// Close removes the draft, if it was not published.
func (d *draft) Close() error {
	var err error
	if d.Root != nil {
		err = d.Root.Close()
	}
	if d.dir != "" {
		err = errors.Join(err, os.RemoveAll(d.dir))
	}
	if d.lock != nil {
		err = errors.Join(err, d.lock.Close())
	}
	return err
}
