// Package fake is the outside world of the tests: programs that act on a folder
// as the real ones act on a host.
//
// The one thing to know: a fake refuses every argument that it does not know,
// so a call that the real program would refuse cannot pass here. What it
// answers is held against recordings of the real programs.
package fake

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// WorldVariable names the folder that a fake acts on.
const WorldVariable = "K3S_FAKE"

// Faults are files in the world: their being there is the fault, what they
// hold its degree.
const (
	FaultAPIDown     = "api-down"     // nothing listens
	FaultSQLite      = "sqlite"       // the datastore is not etcd
	FaultZip         = "zip"          // k3s is configured to compress snapshots
	FaultSaveNothing = "save-nothing" // exit status 0, no file
	FaultSaveFails   = "save-fails"   // exit status 1 and half a file
	FaultSaveSlow    = "save-slow"    // a duration
	FaultListExpires = "list-expires" // how many continued lists give 410
	FaultForbidden   = "forbidden"    // the API server allows no list
)

// world is the folder that a fake acts on.
type world struct{ dir string }

func openWorld() (world, error) {
	dir := os.Getenv(WorldVariable)
	if dir == "" {
		return world{}, fmt.Errorf("fake: %s is not set", WorldVariable)
	}
	return world{dir}, nil
}

func (w world) path(name string) string { return filepath.Join(w.dir, name) }

// text is what a file of the world holds, and whether it is there.
func (w world) text(name string) (string, bool) {
	b, err := os.ReadFile(w.path(name))
	return strings.TrimSpace(string(b)), err == nil
}

func (w world) fault(name string) bool {
	_, there := w.text(name)
	return there
}

// once counts a fault down: true until it was hit as often as it says.
func (w world) once(name string) (bool, error) {
	s, there := w.text(name)
	if !there {
		return false, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n == 0 {
		return false, err
	}
	return true, os.WriteFile(w.path(name), []byte(strconv.Itoa(n-1)), 0o600)
}

// enter notes the call and holds a shared lock as long as the process lives,
// which the kernel gives back however it ends: Quiet waits for that.
func (w world) enter(program string, args []string) error {
	// 0666, so that the mode tells the umask that was handed down.
	log, err := os.OpenFile(w.path("calls"), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o666)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(log, "%s %s\n", program, strings.Join(args, " ")); err != nil {
		return err
	}
	return unix.Flock(int(log.Fd()), unix.LOCK_SH)
}

// Quiet waits until no fake acts on the world in dir any more, at most for the
// time limit.
func Quiet(dir string, limit time.Duration) error {
	log, err := os.Open(filepath.Join(dir, "calls"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer log.Close()
	for end := time.Now().Add(limit); ; time.Sleep(5 * time.Millisecond) {
		err := unix.Flock(int(log.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil || !errors.Is(err, unix.EWOULDBLOCK) {
			return err
		}
		if time.Now().After(end) {
			return fmt.Errorf("fake: a program still acts on %s after %s", dir, limit)
		}
	}
}
