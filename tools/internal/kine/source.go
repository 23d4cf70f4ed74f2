package kine

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"strings"

	"modernc.org/sqlite"

	"github.com/railiance/railiance/tools/internal/sqlitefd"
)

// The reasons that a caller may want to tell apart. A missing file is
// fs.ErrNotExist.
var (
	ErrNotSQLite = errors.New("not an SQLite database")
	ErrNotKine   = errors.New("not the database of k3s")
)

// Is returns nil when the file is a database of kine, and otherwise an error
// that is fs.ErrNotExist, ErrNotSQLite or ErrNotKine, or tells why it cannot
// be read. It may be asked beside a running server and leaves no file behind.
func Is(ctx context.Context, path string) error {
	src, err := open(ctx, path)
	if err != nil {
		return err
	}
	defer src.close()
	return hasTable(ctx, src.conn)
}

// source is a connection that reads a database.
type source struct {
	db   *sql.DB
	conn *sql.Conn
	path string
	// quiet is set when the file was opened as one that nobody writes, and
	// then is what it looked like.
	quiet fs.FileInfo
}

// open opens a database for reading. Opening one whose server is down in the
// ordinary way would create a write-ahead log and its index beside it and
// leave them there, for a server to find.
func open(ctx context.Context, path string) (*source, error) {
	header, info, err := readHeader(path)
	if err != nil {
		return nil, err
	}
	src := &source{path: path}
	options := "mode=ro"
	if logged := header[18] == 2; logged && !logExists(path) {
		options += "&immutable=1"
		src.quiet = info
	}
	return src, src.connect(ctx, options)
}

// connect opens the file with options of SQLite's URI, as hostile.
func (s *source) connect(ctx context.Context, options string) (err error) {
	s.db, err = sql.Open("sqlite", uri(s.path)+"?"+options+"&_pragma=busy_timeout(2000)&"+sqlitefd.Wary)
	if err != nil {
		return fmt.Errorf("opening %s: %w", s.path, err)
	}
	s.conn, err = s.db.Conn(ctx)
	if err != nil {
		s.db.Close()
		return explain(s.path, err)
	}
	if err := sqlitefd.Limit(s.conn); err != nil {
		s.close()
		return fmt.Errorf("opening %s: %w", s.path, err)
	}
	return nil
}

// disturbed tells whether a file that was opened as one that nobody writes was
// written after all: then what was read may be torn.
func (s *source) disturbed() (bool, error) {
	if s.quiet == nil {
		return false, nil
	}
	now, err := os.Stat(s.path)
	if err != nil {
		return false, err
	}
	return !os.SameFile(now, s.quiet) || now.Size() != s.quiet.Size() ||
		!now.ModTime().Equal(s.quiet.ModTime()) || logExists(s.path), nil
}

func (s *source) close() {
	if s.conn != nil {
		s.conn.Close()
	}
	s.db.Close()
}

// readHeader returns the first 100 bytes of an SQLite database. It must not be
// called while this process has the database open: closing any descriptor of a
// file gives up all locks that the process holds on it.
func readHeader(path string) ([]byte, fs.FileInfo, error) {
	// A pipe would make the open wait, whatever is asked of it later.
	info, err := os.Stat(path)
	if err != nil {
		return nil, nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, nil, fmt.Errorf("%s: %w: not a file", path, ErrNotSQLite)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	header := make([]byte, 100)
	if _, err := io.ReadFull(f, header); errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, nil, fmt.Errorf("%s: %w: %d bytes", path, ErrNotSQLite, info.Size())
	} else if err != nil {
		return nil, nil, err
	}
	if !bytes.HasPrefix(header, []byte("SQLite format 3\x00")) {
		return nil, nil, fmt.Errorf("%s: %w", path, ErrNotSQLite)
	}
	return header, info, nil
}

func logExists(path string) bool {
	_, err := os.Stat(path + "-wal")
	return err == nil
}

// uri names a file for SQLite and for the driver, which cuts at the first "?".
func uri(path string) string {
	return "file:" + strings.ReplaceAll((&url.URL{Path: path}).EscapedPath(), "//", "/")
}

// hasTable looks for a table of the shape that kine reads. A view or a virtual
// table of that name would run what its maker wrote.
func hasTable(ctx context.Context, conn *sql.Conn) error {
	var odd string
	err := conn.QueryRowContext(ctx, `SELECT type FROM sqlite_schema
		WHERE type NOT IN ('table', 'index') OR type = 'table' AND coalesce(rootpage, 0) = 0 LIMIT 1`).Scan(&odd)
	switch {
	case err == nil:
		return fmt.Errorf("%w: it holds a %.20q, which k3s never makes", ErrNotKine, odd)
	case !errors.Is(err, sql.ErrNoRows):
		return explain("reading the schema", err)
	}
	var columns int
	err = conn.QueryRowContext(ctx, `SELECT count(*) FROM pragma_table_xinfo('kine')
		WHERE name = 'id' AND pk = 1 AND type = 'INTEGER' AND hidden = 0
			OR name IN ('name', 'deleted', 'value') AND pk = 0 AND hidden = 0`).Scan(&columns)
	switch {
	case err != nil:
		return explain("reading the schema", err)
	case columns != 4:
		return fmt.Errorf("%w: it has no kine table", ErrNotKine)
	}
	return nil
}

// SQLite's numbers of the errors that are told apart.
const (
	codeBusy   = 5
	codeLocked = 6
	codeNotADB = 26
)

// explain gives SQLite's verdict on a file its name here.
func explain(what string, err error) error {
	if code(err) == codeNotADB {
		return fmt.Errorf("%s: %w: %w", what, ErrNotSQLite, err)
	}
	return fmt.Errorf("%s: %w", what, err)
}

// code returns SQLite's primary error code, 0 for errors of others.
func code(err error) int {
	var failure *sqlite.Error
	if errors.As(err, &failure) {
		return failure.Code() & 0xff
	}
	return 0
}
