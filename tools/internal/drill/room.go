package drill

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/railiance/railiance/tools/internal/opening"
	"github.com/railiance/railiance/tools/internal/tell"
)

// What k3s takes beside the datastore itself, in bytes.
const (
	engineMemory = 1 << 30   // to run
	engineFiles  = 512 << 20 // the programs that it unpacks, its write-ahead log
)

// room is where plaintext goes: memory, or a folder on disk that nobody else
// can look into.
type room struct {
	disk string   // empty: memory
	lock *os.File // of disk: tells other drills that we live
	size int64    // bytes that the datastore may grow to, where k3s runs in memory
}

// room finds out whether the set fits, before anything of it is opened.
func (d *Drill) room(boot bool) (*room, error) {
	var artifacts, datastore int64
	for _, a := range d.Set.Artifacts {
		artifacts += a.Size
	}
	if a, ok := d.datastore(); ok && boot {
		datastore = a.Size
	}
	files, memory := artifacts, int64(0)
	if boot {
		files += datastore + engineFiles
		memory = engineMemory
	}
	if d.Scratch == "" {
		memory += files
	}
	free, err := available()
	if err != nil {
		return nil, err
	}
	if free < memory {
		return nil, tell.Hint(fmt.Errorf("the drill needs %s of memory, and %s are free", tell.Bytes(memory), tell.Bytes(free)),
			"--scratch DIR puts it on disk, where plaintext lies until the drill ends; --contents-only needs less")
	}
	r := &room{size: 2*datastore + engineFiles}
	if d.Scratch == "" {
		return r, nil
	}
	if err := r.onDisk(d.Scratch, files); err != nil {
		return nil, fmt.Errorf("scratch: %w", err)
	}
	return r, nil
}

// available is how much memory can be taken without pushing others out.
func available() (int64, error) {
	f, err := os.Open("/proc/meminfo")
	if err != nil {
		return 0, fmt.Errorf("free memory: %w", err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		var kib int64
		if n, _ := fmt.Sscanf(lines.Text(), "MemAvailable: %d kB", &kib); n == 1 {
			return kib << 10, nil
		}
	}
	return 0, errors.Join(errors.New("free memory: the kernel does not tell"), lines.Err())
}

const roomPrefix = "railiance-drill-"

func (r *room) onDisk(parent string, need int64) error {
	parent, err := filepath.Abs(parent)
	if err != nil {
		return err
	}
	if err := sweep(parent); err != nil {
		return err
	}
	var disk unix.Statfs_t
	if err := unix.Statfs(parent, &disk); err != nil {
		return fmt.Errorf("%s: %w", parent, err)
	}
	if free := int64(disk.Bavail) * disk.Bsize; free < need {
		return fmt.Errorf("%s: the drill needs %s, and %s are free", parent, tell.Bytes(need), tell.Bytes(free))
	}
	if r.disk, err = os.MkdirTemp(parent, roomPrefix); err != nil {
		return err
	}
	if r.lock, err = hold(r.disk); err != nil {
		return errors.Join(err, os.Remove(r.disk))
	}
	return nil
}

// sweep removes what drills left that were killed. Only a folder on disk can
// outlive its drill: memory goes with the process.
func sweep(parent string) error {
	entries, err := os.ReadDir(parent)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !e.IsDir() || !strings.HasPrefix(e.Name(), roomPrefix) {
			continue
		}
		path := filepath.Join(parent, e.Name())
		lock, err := hold(path)
		if errors.Is(err, unix.EWOULDBLOCK) {
			continue // of a drill that is being held
		}
		if err != nil {
			return err
		}
		if err := errors.Join(os.RemoveAll(path), lock.Close()); err != nil {
			return tell.Hint(err, "it holds plaintext of a drill that was killed: remove it by hand")
		}
	}
	return nil
}

func hold(dir string) (*os.File, error) {
	f, err := os.OpenFile(dir, os.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", dir, err), f.Close())
	}
	return f, nil
}

// file is a new file without a name, so that it is gone with its descriptor.
func (r *room) file(name string) (*os.File, error) {
	if r.disk == "" {
		return opening.InMemory(name)
	}
	fd, err := unix.Open(r.disk, unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("scratch: %s: %w", r.disk, err)
	}
	return os.NewFile(uintptr(fd), fmt.Sprintf("/proc/self/fd/%d", fd)), nil
}

// Close removes what is on disk.
func (r *room) Close() error {
	if r.disk == "" {
		return nil
	}
	return errors.Join(os.RemoveAll(r.disk), r.lock.Close())
}
