package host

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// Connections are the ssh connections of one run: the commands to one machine
// share one, which costs a third of connecting anew. Close must be called; after
// a kill they end by themselves within a minute.
type Connections struct{ dir string }

// OpenConnections makes the private folder of the connections inside parent;
// empty means the system's folder for temporary files.
func OpenConnections(parent string) (*Connections, error) {
	dir, err := os.MkdirTemp(parent, "railiance-ssh-") // 0700
	if err != nil {
		return nil, fmt.Errorf("folder of ssh connections: %w", err)
	}
	if err := checkControlDir(dir); err != nil {
		return nil, errors.Join(err, os.Remove(dir))
	}
	return &Connections{dir}, nil
}

// Remote is the machine target, reached over a connection of c.
func (c *Connections) Remote(target string) Remote {
	return Remote{Target: target, ControlDir: c.dir}
}

// Close ends the connections, with what still runs over them, and removes their
// folder.
func (c *Connections) Close() error {
	sockets, err := os.ReadDir(c.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("ssh connections: %w", err)
	}
	// Not the caller's context: a run that was stopped closes them too.
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	for _, socket := range sockets {
		if socket.Type()&fs.ModeSocket == 0 || len(socket.Name()) != controlName {
			continue
		}
		// ssh wants a target and does not use it. One that fails is gone already.
		_ = Run(ctx, Command{Args: []string{"ssh", "-O", "exit", "-o", "LogLevel=QUIET",
			"-o", "ControlPath=" + filepath.Join(c.dir, socket.Name()), "--", "connection"}})
	}
	if err := os.RemoveAll(c.dir); err != nil {
		return fmt.Errorf("ssh connections: %w", err)
	}
	return nil
}

func ours(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(stat.Uid) == os.Geteuid()
}
