package kine

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"os"
	"time"

	"modernc.org/sqlite"
)

const (
	// stepPages are copied between two looks at the context: 4 MiB.
	stepPages = 1024
	pause     = 50 * time.Millisecond
)

// Backup copies the database of a running or stopped server to dst, a single
// file that needs no log beside it. The copy shows one moment, that of the
// beginning; the server writes on meanwhile, only its log grows until the copy
// is done. While the database is locked Backup waits, as long as ctx allows.
//
// The folder of dst belongs to the caller and has to be closed to others, for
// the copy is plaintext. dst must not exist; it is made with mode 0600, removed
// when Backup fails, and not synced, as it is there to be sealed.
func Backup(ctx context.Context, stateDB, dst string) (err error) {
	// SQLite would create the file with whatever mode umask leaves.
	f, err := os.OpenFile(dst, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			for _, suffix := range []string{"", "-journal", "-wal", "-shm"} {
				os.Remove(dst + suffix)
			}
		}
	}()
	if err := f.Close(); err != nil {
		return err
	}
	for {
		err := copyOnce(ctx, stateDB, dst)
		if c := code(err); c != codeBusy && c != codeLocked && !errors.Is(err, errDisturbed) {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w (%w)", err, ctx.Err())
		case <-time.After(pause):
		}
		if err := os.Truncate(dst, 0); err != nil {
			return err
		}
	}
}

var errDisturbed = errors.New("a server started while its database was copied")

func copyOnce(ctx context.Context, stateDB, dst string) error {
	src, err := open(ctx, stateDB)
	if err != nil {
		return err
	}
	defer src.close()
	// A backup begins anew whenever somebody writes between two steps. Within a
	// transaction it keeps to the moment of the first read, however long it takes.
	if _, err := src.conn.ExecContext(ctx, "BEGIN"); err != nil {
		return explain(stateDB, err)
	}
	if err := hasTable(ctx, src.conn); err != nil {
		return fmt.Errorf("%s: %w", stateDB, err)
	}
	err = src.conn.Raw(func(c any) error {
		from, ok := c.(interface {
			NewBackup(dst string) (*sqlite.Backup, error)
		})
		if !ok {
			return fmt.Errorf("the SQLite driver makes no backups: %T", c)
		}
		b, err := from.NewBackup(uri(dst) + "?_pragma=journal_mode(off)&_pragma=synchronous(0)")
		if err != nil {
			return explain("opening the copy", err)
		}
		return steps(ctx, b)
	})
	if err != nil {
		return fmt.Errorf("copying %s: %w", stateDB, err)
	}
	disturbed, err := src.disturbed()
	if err == nil && disturbed {
		err = fmt.Errorf("%s: %w", stateDB, errDisturbed)
	}
	return err
}

// steps copies all pages and turns the copy into a single file.
func steps(ctx context.Context, b *sqlite.Backup) error {
	for more := true; more; {
		var err error
		if err = ctx.Err(); err == nil {
			more, err = b.Step(stepPages)
		}
		if c := code(err); c == codeBusy || c == codeLocked {
			time.Sleep(pause)
			continue
		}
		if err != nil {
			b.Finish()
			return err
		}
	}
	copied, err := b.Commit()
	if err != nil {
		return err
	}
	// The header is a copy too, and says that there is a log.
	if err := leaveLog(ctx, copied); err != nil {
		copied.Close()
		return fmt.Errorf("making the copy a single file: %w", err)
	}
	return copied.Close()
}

func leaveLog(ctx context.Context, conn driver.Conn) error {
	rows, err := conn.(driver.QueryerContext).QueryContext(ctx, "PRAGMA journal_mode=DELETE", nil)
	if err != nil {
		return err
	}
	defer rows.Close()
	mode := make([]driver.Value, 1)
	if err := rows.Next(mode); err != nil {
		return err
	}
	if mode[0] != "delete" {
		return fmt.Errorf("its journal mode stays %v", mode[0])
	}
	return nil
}
