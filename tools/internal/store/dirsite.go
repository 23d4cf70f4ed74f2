package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/railiance/railiance/tools/internal/tell"
)

// answerWithin is how long a folder may take to answer. A network disk whose
// server is gone otherwise holds its callers for ever.
const answerWithin = 30 * time.Second

// DirSite is a site in a folder, which may be where a NAS is mounted.
type DirSite struct {
	path, marker string
	patience     time.Duration
}

// NewDirSite returns the site in the folder at path. The folder is not made:
// below a mount point where nothing is mounted it would be on the wrong disk.
// If marker is not empty, a file of that name must be in the folder before
// anything is read or written.
func NewDirSite(path, marker string) *DirSite { return &DirSite{path, marker, answerWithin} }

// Where is the folder.
func (s *DirSite) Where() string { return s.path }

// Marked says whether a marker tells the folder from an empty mount point.
func (s *DirSite) Marked() bool { return s.marker != "" }

// there says whether the folder is the one that is meant. What it says is never
// fs.ErrNotExist: a disk that is away must not look like an empty one.
func (s *DirSite) there(ctx context.Context) error { return s.answers(ctx, s.meant) }

// answers leaves call behind where the disk does not answer: a call to a dead NAS
// cannot be stopped.
func (s *DirSite) answers(ctx context.Context, call func() error) error {
	result := make(chan error, 1)
	go func() { result <- call() }()
	select {
	case err := <-result:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(s.patience):
		err := fmt.Errorf("store: %s: does not answer within %s", s.path, s.patience)
		return tell.Hint(err, "is the server of this disk there? umount -f -l %s lets go of it", s.path)
	}
}

func (s *DirSite) meant() error {
	if _, err := OpenDir(s.path); err != nil {
		return tell.Hint(errors.New(err.Error()), "mount the disk; a folder on this machine's own disk: install -d -m 700 %s", s.path)
	}
	if s.marker == "" {
		return nil
	}
	// A link could lead to a marker elsewhere, which says nothing of this disk.
	marker := filepath.Join(s.path, s.marker)
	info, err := os.Lstat(marker)
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is no regular file", marker)
	}
	if err != nil {
		err = fmt.Errorf("store: %s: is not the disk that is meant: its marker: %v", s.path, err)
		return tell.Hint(err, "mount the disk; if this is the right one, and new: touch %s", marker)
	}
	return nil
}

// Store returns the folder called name.
func (s *DirSite) Store(_ context.Context, name string) (Store, error) {
	if err := CheckName(name); err != nil {
		return nil, err
	}
	return &folder{s, filepath.Join(s.path, name)}, nil
}

// Names returns the folders that hold artifacts.
func (s *DirSite) Names(ctx context.Context) ([]string, error) {
	if err := s.there(ctx); err != nil {
		return nil, err
	}
	files, err := os.ReadDir(s.path)
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	var names []string
	for _, file := range files {
		if !file.IsDir() || CheckName(file.Name()) != nil {
			continue
		}
		entries, err := (&Dir{filepath.Join(s.path, file.Name())}).List(ctx, "")
		// What a NAS keeps to itself, such as lost+found, is none of ours.
		if errors.Is(err, fs.ErrPermission) || errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if len(entries) > 0 {
			names = append(names, file.Name())
		}
	}
	return names, nil
}

// Check writes an empty draft, which no look at modes can replace: a NAS maps
// users as it likes.
func (s *DirSite) Check(ctx context.Context, want int64) error {
	return s.answers(ctx, func() error { return s.check(want) })
}

func (s *DirSite) check(want int64) error {
	if err := s.meant(); err != nil {
		return err
	}
	draft, err := os.CreateTemp(s.path, DraftPrefix+"check-*")
	if err == nil {
		err = errors.Join(draft.Close(), remove(draft.Name()))
	}
	if err != nil {
		return fmt.Errorf("store: %s: cannot be written to: %w", s.path, err)
	}
	if want <= 0 {
		return nil
	}
	free, err := (&Dir{s.path}).Free()
	if err == nil && free < want {
		err = fmt.Errorf("store: %s: has %s free, %s are needed", s.path, tell.Bytes(free), tell.Bytes(want))
		err = tell.Hint(err, "prune, or make room on the disk")
	}
	return err
}

// Sweep also removes what a Check left that was killed.
func (s *DirSite) Sweep(ctx context.Context, name string) ([]string, error) {
	if err := CheckName(name); err != nil {
		return nil, err
	}
	if err := s.there(ctx); err != nil {
		return nil, err
	}
	if _, err := (&Dir{s.path}).Sweep(); err != nil {
		return nil, err
	}
	swept, err := (&Dir{filepath.Join(s.path, name)}).Sweep()
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return swept, err
}
