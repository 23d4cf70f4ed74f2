// Package sqlitefd has SQLite read databases that nobody vouches for, also ones
// that have no name: SQLite opens files by name alone, and what was decrypted or
// came from another machine lies in memory.
//
// The one thing to know: Wary belongs to every such opening. Whatever the file
// wants to have run when it is read is then not run.
package sqlitefd

import (
	"database/sql"
	"fmt"
	"io"
	"io/fs"
	"os"

	"modernc.org/sqlite"
	"modernc.org/sqlite/vfs"
)

// Wary are the options of a URI for a file that is not to be trusted.
const Wary = "_defensive=1&_pragma=trusted_schema(0)&_pragma=cell_size_check(1)" +
	"&_pragma=hard_heap_limit(50331648)&_pragma=mmap_size(0)&_pragma=cache_size(-4096)&_pragma=query_only(1)"

// Path is what SQLite calls the file: it takes names from a root.
const Path = "/database"

// Register lets SQLite open the finished database in f, as Path with the options,
// until end is called. The descriptor's place is not moved.
func Register(f *os.File) (options string, end func() error, err error) {
	info, err := f.Stat()
	if err != nil {
		return "", nil, err
	}
	name, registered, err := vfs.New(onlyFile{f, info})
	if err != nil {
		return "", nil, fmt.Errorf("reading through a descriptor: %w", err)
	}
	// SQLite would ask for temporary files where there is only this one.
	return "vfs=" + name + "&mode=ro&immutable=1&_pragma=temp_store(2)", registered.Close, nil
}

// SQLite's numbers of two of its limits, and what we set them to. An object of
// Kubernetes is below 3 MiB, a file of /etc/pve below 1 MiB.
const (
	limitLength = 0
	maxValue    = 8 << 20
	limitSQL    = 1
	maxSQL      = 64 << 10
)

// Limit bounds what the file can make SQLite hold: a value, and a statement,
// which its schema is made of.
func Limit(conn *sql.Conn) error {
	for id, limit := range map[int]int{limitLength: maxValue, limitSQL: maxSQL} {
		if _, err := sqlite.Limit(conn, id, limit); err != nil {
			return err
		}
	}
	return nil
}

// onlyFile is a file system with one file.
type onlyFile struct {
	f    *os.File
	info fs.FileInfo
}

func (o onlyFile) Open(name string) (fs.File, error) {
	if name != Path {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return &reading{io.NewSectionReader(o.f, 0, o.info.Size()), o.info}, nil
}

type reading struct {
	*io.SectionReader
	info fs.FileInfo
}

func (r *reading) Stat() (fs.FileInfo, error) { return r.info, nil }

func (r *reading) Close() error { return nil }
