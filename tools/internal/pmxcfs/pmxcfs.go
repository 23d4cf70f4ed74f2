// Package pmxcfs reads config.db, the SQLite database that Proxmox VE keeps the
// files of /etc/pve in.
//
// The one thing to know: the file comes from a node that may be anybody's by now.
// So nothing in it that SQLite would run is run, and a database that is more than
// tables is refused.
package pmxcfs

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"modernc.org/sqlite"
	"modernc.org/sqlite/vfs"
)

// SQLite's numbers of its limits, and what we set them to. A file of /etc/pve is
// below 1 MiB.
const (
	limitLength = 0
	maxValue    = 8 << 20
	limitSQL    = 1
	maxSQL      = 64 << 10
)

// Check reads all of a finished copy and returns how many entries, files and
// folders, it holds, or why it is no sound database of pmxcfs. It asks for no
// name of f, which may lie in memory.
func Check(ctx context.Context, f *os.File) (entries int64, err error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	name, registered, err := vfs.New(onlyFile{f, info})
	if err != nil {
		return 0, fmt.Errorf("reading through a descriptor: %w", err)
	}
	defer func() { err = errors.Join(err, registered.Close()) }()
	db, err := sql.Open("sqlite", "file:"+onlyName+"?vfs="+name+"&mode=ro&immutable=1&_defensive=1&_pragma=temp_store(2)"+
		"&_pragma=trusted_schema(0)&_pragma=cell_size_check(1)&_pragma=hard_heap_limit(50331648)&_pragma=mmap_size(0)&_pragma=cache_size(-4096)&_pragma=query_only(1)")
	if err != nil {
		return 0, err
	}
	defer db.Close()
	conn, err := db.Conn(ctx)
	if err != nil {
		return 0, fmt.Errorf("no database: %w", err)
	}
	defer conn.Close()
	for id, limit := range map[int]int{limitLength: maxValue, limitSQL: maxSQL} {
		if _, err := sqlite.Limit(conn, id, limit); err != nil {
			return 0, err
		}
	}
	return check(ctx, conn)
}

func check(ctx context.Context, conn *sql.Conn) (int64, error) {
	// First the schema: a check of integrity evaluates what it says.
	var odd string
	err := conn.QueryRowContext(ctx, `SELECT type FROM sqlite_schema
		WHERE type NOT IN ('table', 'index') OR type = 'table' AND coalesce(rootpage, 0) = 0 LIMIT 1`).Scan(&odd)
	switch {
	case err == nil:
		return 0, fmt.Errorf("it holds a %.20q, which pmxcfs never makes", odd)
	case !errors.Is(err, sql.ErrNoRows):
		return 0, fmt.Errorf("reading the schema: %w", err)
	}
	var columns int
	err = conn.QueryRowContext(ctx, `SELECT count(*) FROM pragma_table_xinfo('tree')
		WHERE name IN ('inode', 'parent', 'version', 'type', 'name', 'data') AND hidden = 0`).Scan(&columns)
	switch {
	case err != nil:
		return 0, fmt.Errorf("reading the schema: %w", err)
	case columns != 6:
		return 0, errors.New("it has no table tree as pmxcfs makes it")
	}
	var verdict string
	if err := conn.QueryRowContext(ctx, "PRAGMA integrity_check(1)").Scan(&verdict); err != nil {
		return 0, fmt.Errorf("damaged: %w", err)
	}
	if verdict != "ok" {
		return 0, fmt.Errorf("damaged: %.200q", verdict)
	}
	var entries int64
	if err := conn.QueryRowContext(ctx, "SELECT count(*) FROM tree").Scan(&entries); err != nil {
		return 0, fmt.Errorf("counting: %w", err)
	}
	if entries == 0 {
		return 0, errors.New("it is empty")
	}
	return entries, nil
}

// onlyName is what SQLite calls the file: it takes names from a root.
const onlyName = "/config.db"

// onlyFile is a file system with one file: SQLite opens files by name alone.
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

type reading struct {
	*io.SectionReader
	info fs.FileInfo
}

func (r *reading) Stat() (fs.FileInfo, error) { return r.info, nil }

func (r *reading) Close() error { return nil }
