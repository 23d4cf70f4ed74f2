package access

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

const (
	name      = ".sops.yaml"
	misspelt  = ".sops.yml"
	maxSize   = 1 << 20 // a real one has a few hundred bytes
	maxDepth  = 100     // as many parents as sops looks at
	wayToMake = "`make init` makes one where there is none"
)

// Find returns the absolute path of the .sops.yaml nearest to dir: in dir
// itself, else in the first parent that has one. If there is none the error
// is fs.ErrNotExist.
func Find(dir string) (string, error) {
	start, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("%s: %w", dir, err)
	}
	hint := ""
	for here, depth := start, 0; depth < maxDepth; depth++ {
		path := filepath.Join(here, name)
		switch _, err := os.Stat(path); {
		case err == nil:
			return path, nil
		case !absent(err):
			// sops goes on to the parent here, and so encrypts to whoever
			// that one names; a file that may not be looked at is no reason
			// to take another.
			return "", err
		}
		if wrong := filepath.Join(here, misspelt); hint == "" {
			if _, err := os.Stat(wrong); err == nil {
				hint = fmt.Sprintf("; %s is not read: rename it to %s", wrong, name)
			}
		}
		parent := filepath.Dir(here)
		if parent == here {
			break
		}
		here = parent
	}
	return "", fmt.Errorf("%s: no %s there or in a folder above: %w; %s%s", start, name, fs.ErrNotExist, wayToMake, hint)
}

func absent(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
}

// read returns the content of a configuration. It looks before it opens,
// because opening a named pipe would wait for ever.
func read(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w; %s", err, wayToMake)
	}
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: not a regular file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxSize+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxSize {
		return nil, fmt.Errorf("%s: larger than %d bytes, so this is no %s", path, maxSize, name)
	}
	return data, nil
}
