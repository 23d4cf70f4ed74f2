package shell

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

const (
	logSize = 1 << 20 // bytes, beyond which a log is put aside
	logKept = 5
)

// openLog turns the story into a file, where one is named. It is rotated here,
// before the run, so that a log of its own never moves under a writer.
func (sh *Shell) openLog() error {
	if sh.logFile == "" {
		return nil
	}
	// The schedule logs into the backup folder, which the first run makes.
	if err := os.MkdirAll(filepath.Dir(sh.logFile), 0o700); err != nil {
		return &Usage{fmt.Errorf("log: %w", err)}
	}
	if err := rotate(sh.logFile); err != nil {
		return &Usage{fmt.Errorf("log: %w", err)}
	}
	f, err := os.OpenFile(sh.logFile, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return &Usage{fmt.Errorf("log: %w", err)}
	}
	sh.Tell.W, sh.Tell.Terminal, sh.Tell.Colour, sh.Tell.Stamped = f, false, false, true
	return nil
}

func rotate(path string) error {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil || info.Size() < logSize {
		return err
	}
	for i := logKept - 1; i >= 0; i-- {
		from := path
		if i > 0 {
			from = fmt.Sprintf("%s.%d", path, i)
		}
		if err := os.Rename(from, fmt.Sprintf("%s.%d", path, i+1)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}
