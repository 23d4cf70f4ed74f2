package store

import (
	"errors"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// publish gives the draft its name unless that is taken. Network disks such as
// SMB know no hard links; they know how to rename without replacing.
func publish(link func(draft, final string) error, draft, final string) error {
	err := link(draft, final)
	for _, unknown := range []error{unix.EPERM, unix.ENOTSUP, unix.ENOSYS} {
		if errors.Is(err, unknown) {
			if err := unix.Renameat2(unix.AT_FDCWD, draft, unix.AT_FDCWD, final, unix.RENAME_NOREPLACE); err != nil {
				return &os.LinkError{Op: "rename", Old: draft, New: final, Err: err}
			}
			return nil
		}
	}
	return err
}

// remove takes away a draft whose name may be gone already.
func remove(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
