package pvetest

import (
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// on is a call on a node, for what needs its paths.
func (w *World) on(node string) (*call, error) {
	f, err := w.file()
	if err != nil {
		return nil, err
	}
	if _, known := f.node(node); !known {
		return nil, fmt.Errorf("pvetest: no node is called %q", node)
	}
	return &call{cluster: w.cluster, node: node, root: w.nodeDir(node), second: time.Second, out: io.Discard, err: io.Discard}, nil
}

// look is a guest's state, and a call on its node.
func (w *World) look(id int) (state, *call, error) {
	g, there, err := w.find(id)
	if err != nil {
		return state{}, nil, err
	}
	if !there {
		return state{}, nil, fmt.Errorf("pvetest: no guest %d", id)
	}
	s, err := w.state(g)
	if err != nil {
		return s, nil, err
	}
	c, err := w.on(g.node)
	return s, c, err
}

// Key is a line of a guest's configuration, empty if it is not there.
func (w *World) Key(id int, key string) (string, error) {
	s, _, err := w.look(id)
	return s.keys[key], err
}

// Has says whether there is a guest of that id, and on which node.
func (w *World) Has(id int) (node string, there bool, err error) {
	g, there, err := w.find(id)
	return g.node, there, err
}

// Runs says whether a guest runs.
func (w *World) Runs(id int) (bool, error) {
	_, runs, err := w.running(id)
	return runs, err
}

// DiskPath is the file of a guest's disk.
func (w *World) DiskPath(id int, key string) (string, error) {
	s, c, err := w.look(id)
	if err != nil {
		return "", err
	}
	return c.path(properties(s.keys[key], "volume")["volume"])
}

// Rootfs is the folder with the content of a container.
func (w *World) Rootfs(id int) (string, error) {
	_, c, err := w.look(id)
	if err != nil {
		return "", err
	}
	return c.rootfs(id), nil
}

// NodeDir is the folder that stands for a node's /.
func (w *World) NodeDir(node string) string { return w.nodeDir(node) }

// GuestWrite is a write of a running guest to its disk: it returns how long
// the guest had to wait for vzdump's reader. With fleecing it does not wait.
func (w *World) GuestWrite(id int) (time.Duration, error) {
	began := time.Now()
	f, err := os.OpenFile(w.stallFile(id), os.O_RDWR|os.O_CREATE, 0o640)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
		return 0, err
	}
	return time.Since(began), nil
}
