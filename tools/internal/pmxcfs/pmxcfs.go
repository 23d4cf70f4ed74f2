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
	"os"

	"github.com/railiance/railiance/tools/internal/sqlitefd"
)

// Check reads all of a finished copy and returns how many entries, files and
// folders, it holds, or why it is no sound database of pmxcfs. It asks for no
// name of f, which may lie in memory.
func Check(ctx context.Context, f *os.File) (entries int64, err error) {
	options, end, err := sqlitefd.Register(f)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, end()) }()
	db, err := sql.Open("sqlite", "file:"+sqlitefd.Path+"?"+options+"&"+sqlitefd.Wary)
	if err != nil {
		return 0, err
	}
	defer db.Close()
	conn, err := db.Conn(ctx)
	if err != nil {
		return 0, fmt.Errorf("no database: %w", err)
	}
	defer conn.Close()
	if err := sqlitefd.Limit(conn); err != nil {
		return 0, err
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
