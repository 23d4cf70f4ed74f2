// Package store keeps artifacts: written once, seen only when whole.
package store

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"time"
)

// A Store keeps named byte strings. Names are flat: no folders.
//
// A name that is taken gives fs.ErrExist, one that is missing fs.ErrNotExist.
type Store interface {
	// Put makes name hold exactly what write writes, durably. If write fails,
	// or the machine dies, name does not exist.
	Put(ctx context.Context, name string, write func(io.Writer) error) error
	Open(ctx context.Context, name string) (io.ReadCloser, error)
	// List returns the entries whose name begins with prefix, in order of name.
	List(ctx context.Context, prefix string) ([]Entry, error)
	Remove(ctx context.Context, name string) error
}

// Entry is one thing in a store.
type Entry struct {
	Name     string
	Size     int64 // bytes
	Modified time.Time
}

// CheckName refuses what could leave the store or hide in it.
func CheckName(name string) error {
	switch {
	case name == "", name == ".", name == "..", len(name) > 200:
	case strings.HasPrefix(name, DraftPrefix):
	case strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r > '~' || r == '/' || r == '\\' }):
	default:
		return nil
	}
	return fmt.Errorf("store: %q cannot be a name here: %w", name, fs.ErrInvalid)
}
