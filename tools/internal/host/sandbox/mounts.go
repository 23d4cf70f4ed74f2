package sandbox

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// mounts makes everything read-only but Dir. /run goes out of sight because
// the sockets of the machine's services lie there, which a network namespace
// does not keep apart.
func mounts(o Options) error {
	disk := -1
	if o.Disk != "" {
		// Caught before it may go out of sight below /run.
		fd, err := unix.OpenTree(unix.AT_FDCWD, o.Disk, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
		if err != nil {
			return fmt.Errorf("%s: %w", o.Disk, err)
		}
		defer unix.Close(fd)
		disk = fd
	}
	// Private first: else what is mounted here would show outside.
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("private mounts: %w", err)
	}
	err := unix.MountSetattr(unix.AT_FDCWD, "/", unix.AT_RECURSIVE, &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY})
	if errors.Is(err, unix.ENOSYS) {
		return fmt.Errorf("this kernel is too old (5.12 is needed) to make the machine read-only for a process: %w", err)
	}
	if err != nil {
		return fmt.Errorf("read-only mounts: %w", err)
	}
	if err := unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return fmt.Errorf("/proc: %w", err)
	}
	if err := memory(filepath.Dir(Dir), o.Memory); err != nil {
		return fmt.Errorf("tmpfs: %w", err)
	}
	if err := os.Mkdir(Dir, 0o700); err != nil {
		return err
	}
	if disk < 0 {
		return nil
	}
	if err := unix.MoveMount(disk, "", unix.AT_FDCWD, Dir, unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
		return fmt.Errorf("%s: %w", o.Disk, err)
	}
	return nil
}

const smallest = 1 << 20 // bytes of the tmpfs, also where Dir is on disk

func memory(path string, size int64) error {
	flags := uintptr(unix.MS_NOSUID | unix.MS_NODEV)
	options := fmt.Sprintf("mode=0700,size=%d", max(size, smallest))
	// What lies here is plaintext: kept out of swap where the kernel (6.4) can.
	err := unix.Mount("scratch", path, "tmpfs", flags, options+",noswap")
	if errors.Is(err, unix.EINVAL) {
		err = unix.Mount("scratch", path, "tmpfs", flags, options)
	}
	return err
}
