package kine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"modernc.org/sqlite/vfs"
)

// CheckFile is Check for a copy that may have no name any more, or never had
// one: SQLite opens files by name alone, and what a drill decrypts lies in
// memory.
func CheckFile(ctx context.Context, f *os.File) (contents Contents, err error) {
	info, err := f.Stat()
	if err != nil {
		return Contents{}, err
	}
	name, registered, err := vfs.New(onlyFile{f, info})
	if err != nil {
		return Contents{}, fmt.Errorf("reading through a descriptor: %w", err)
	}
	defer func() { err = errors.Join(err, registered.Close()) }()
	src := &source{path: onlyName}
	// SQLite would ask for temporary files where there is only this one.
	if err := src.connect(ctx, "vfs="+name+"&mode=ro&immutable=1&_pragma=temp_store(2)"); err != nil {
		return Contents{}, err
	}
	defer src.close()
	contents = Contents{Size: info.Size()}
	if err := src.check(ctx, &contents); err != nil {
		return Contents{}, err
	}
	return contents, nil
}

// onlyName is what SQLite calls the file: it takes names from a root.
const onlyName = "/state.db"

// onlyFile is a file system with one file.
type onlyFile struct {
	f    *os.File
	info fs.FileInfo
}

func (o onlyFile) Open(name string) (fs.File, error) {
	if name != onlyName {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return &reading{io.NewSectionReader(o.f, 0, o.info.Size()), o.info}, nil
}

// reading reads at places of its own, so that SQLite does not move the
// descriptor's.
type reading struct {
	*io.SectionReader
	info fs.FileInfo
}

func (r *reading) Stat() (fs.FileInfo, error) { return r.info, nil }

func (r *reading) Close() error { return nil }
