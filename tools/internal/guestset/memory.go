package guestset

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Memory is the folder, outside of every site, in which a layer remembers what
// it saw there: <state root>/<layer>.
type Memory string

// MemoryOf is the memory of a layer below the state root.
func MemoryOf(stateRoot, layer string) Memory { return Memory(filepath.Join(stateRoot, layer)) }

// seenSuffix ends the names of the files that remember a folder's newest set.
const seenSuffix = ".seen"

// Seen is the file that remembers the newest set of s in a site, which is named
// as server/store.
func (m Memory) Seen(site string, s Subject) string {
	return filepath.Join(string(m), site, s.String()+seenSuffix)
}

// Note is the file that tells which set of s a run is making in a site.
func (m Memory) Note(site string, s Subject) string {
	return filepath.Join(string(m), site, s.String()+".run")
}

// Last is the file that tells how the last attempt to back s up ended.
func (m Memory) Last(s Subject) string { return filepath.Join(string(m), s.String()+".last") }

// Known are the subjects that had sets in a site once, so that a folder which
// vanished is missed.
func (m Memory) Known(site string) ([]Subject, error) {
	files, err := os.ReadDir(filepath.Join(string(m), site))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var known []Subject
	for _, file := range files {
		name, ok := strings.CutSuffix(file.Name(), seenSuffix)
		if !ok {
			continue
		}
		if s, err := Parse(name); err == nil {
			known = append(known, s)
		}
	}
	return known, nil
}
