package kine

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/railiance/railiance/tools/internal/registry"
)

// Check reads all of a finished copy and returns what it holds, or why it is
// no database of k3s. It writes nothing, and takes the file for one that nobody
// else writes: not for the database of a running server. The file may come from
// a stranger.
func Check(ctx context.Context, path string) (Contents, error) {
	_, info, err := readHeader(path)
	if err != nil {
		return Contents{}, err
	}
	if logExists(path) {
		return Contents{}, fmt.Errorf("%s: its write-ahead log lies beside it: not a finished copy", path)
	}
	src := &source{path: path, quiet: info}
	if err := src.connect(ctx, "mode=ro&immutable=1"); err != nil {
		return Contents{}, err
	}
	defer src.close()
	contents := Contents{Size: info.Size()}
	if err := src.check(ctx, &contents); err != nil {
		return Contents{}, fmt.Errorf("%s: %w", path, err)
	}
	return contents, nil
}

func (s *source) check(ctx context.Context, contents *Contents) error {
	// First the schema: a check of integrity evaluates what it says.
	if err := hasTable(ctx, s.conn); err != nil {
		return err
	}
	var verdict string
	if err := s.conn.QueryRowContext(ctx, "PRAGMA integrity_check(1)").Scan(&verdict); err != nil {
		return explain("damaged", err)
	}
	if verdict != "ok" {
		return fmt.Errorf("damaged: %.200q", verdict)
	}
	tally, err := registry.Count(contents.Size, func(visit registry.Visit) error {
		contents.Rows, contents.MaxID = 0, 0
		return s.rows(ctx, func(id int64) {
			if contents.Rows == 0 {
				contents.MaxID = id
			}
			contents.Rows++
		}, visit)
	})
	if err != nil {
		return fmt.Errorf("counting keys: %w", err)
	}
	contents.Keys, contents.Registry = tally.Keys, tally.Groups
	contents.Bootstrap, contents.Encrypted, contents.Encryption = tally.Bootstrap, tally.Encrypted, tally.Encryption
	return nil
}

// newestFirst walks the table in the order of its primary key, which needs no
// memory; asking SQLite for the newest row of each name would sort them all.
var newestFirst = fmt.Sprintf("SELECT id, name, deleted, substr(value, 1, %d) FROM kine ORDER BY id DESC", registry.HeadSize)

// maxName is what a name may have; those of Kubernetes are below 1 KiB.
const maxName = 4 << 10

func (s *source) rows(ctx context.Context, count func(id int64), visit registry.Visit) error {
	rows, err := s.conn.QueryContext(ctx, newestFirst)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var id int64
		var deleted bool
		var name, head sql.RawBytes
		if err := rows.Scan(&id, &name, &deleted, &head); err != nil {
			return err
		}
		if len(name) == 0 || len(name) > maxName {
			return fmt.Errorf("row %d has a name of %d bytes", id, len(name))
		}
		count(id)
		if err := visit(name, head, deleted); err != nil {
			return err
		}
	}
	return rows.Err()
}
