package state

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// The stamps of a layer's folder.
const (
	BackupStamp = ".last-backup"
	VerifyStamp = ".last-verify"
	DrillStamp  = ".last-drill"
)

// Stamp is the proof that a deed succeeded, and when.
type Stamp struct {
	Format   int              `json:"format"`
	Deed     string           `json:"deed"` // backup, verify, drill
	Time     time.Time        `json:"time"`
	Manifest string           `json:"manifest"` // the newest set that it covers
	Seconds  float64          `json:"seconds"`
	Proof    string           `json:"proof,omitempty"` // drill: contents or booted
	Counts   map[string]int64 `json:"counts,omitempty"`
}

// WriteStamp replaces the stamp called name in dir atomically; its
// modification time is the time of the deed.
func WriteStamp(dir, name string, s Stamp) error {
	s.Format = 1
	path := filepath.Join(dir, name)
	if err := Replace(path, s); err != nil {
		return fmt.Errorf("stamp: %w", err)
	}
	if err := os.Chtimes(path, s.Time, s.Time); err != nil {
		return fmt.Errorf("stamp: %w", err)
	}
	return nil
}

// ReadStamp reads the stamp called name in dir. None gives fs.ErrNotExist.
func ReadStamp(dir, name string) (Stamp, error) {
	var s Stamp
	err := load(filepath.Join(dir, name), &s)
	if err == nil && s.Format != 1 {
		err = fmt.Errorf("%s: format %d is not known here", name, s.Format)
	}
	if err != nil {
		return Stamp{}, fmt.Errorf("stamp: %w", err)
	}
	return s, nil
}

// Seen is the newest manifest that this machine has ever made or verified for
// a layer. It is kept outside of the backup folder, so that putting an older
// copy of that folder back is noticed.
type Seen struct {
	Format   int       `json:"format"`
	Sequence int64     `json:"sequence"`
	Manifest string    `json:"manifest"`
	SHA256   string    `json:"sha256"` // of the manifest's bytes
	Time     time.Time `json:"time"`   // when it was seen
}

// ReadSeen reads what the file at path remembers; nothing yet is the zero Seen.
func ReadSeen(path string) (Seen, error) {
	var s Seen
	err := load(path, &s)
	if errors.Is(err, fs.ErrNotExist) {
		return Seen{}, nil
	}
	if err == nil && s.Format != 1 {
		err = fmt.Errorf("%s: format %d is not known here", path, s.Format)
	}
	if err != nil {
		return Seen{}, fmt.Errorf("memory of the newest set: %w", err)
	}
	return s, nil
}

// WriteSeen replaces the memory at path.
func WriteSeen(path string, s Seen) error {
	s.Format = 1
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("memory of the newest set: %w", err)
	}
	if err := Replace(path, s); err != nil {
		return fmt.Errorf("memory of the newest set: %w", err)
	}
	return nil
}

// SweepSeen removes the drafts of the memory at path that killed runs left, and
// names them. It is called under the lock of the layer.
func SweepSeen(path string) ([]string, error) {
	files, err := os.ReadDir(filepath.Dir(path))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("memory of the newest set: %w", err)
	}
	var swept []string
	for _, file := range files {
		if !strings.HasPrefix(file.Name(), draftOf(path)) || !file.Type().IsRegular() {
			continue
		}
		draft := filepath.Join(filepath.Dir(path), file.Name())
		if err := os.Remove(draft); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return swept, fmt.Errorf("memory of the newest set: %w", err)
		}
		swept = append(swept, draft)
	}
	return swept, nil
}

// draftOf is how the names begin of what is to become the file at path.
func draftOf(path string) string { return ".draft-" + filepath.Base(path) + "-" }

const stateLimit = 1 << 20 // bytes

func load(path string, v any) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if info.Size() > stateLimit {
		return fmt.Errorf("%s: %d bytes are too many", path, info.Size())
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, v); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// Replace makes the file at path (0600) hold v as JSON: all of it or what was
// there before.
func Replace(path string, v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return ReplaceBytes(path, append(b, '\n'), 0o600)
}

// ReplaceBytes makes the file at path hold b: all of it or what was there
// before.
func ReplaceBytes(path string, b []byte, mode fs.FileMode) error {
	f, err := os.CreateTemp(filepath.Dir(path), draftOf(path)+"*")
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
