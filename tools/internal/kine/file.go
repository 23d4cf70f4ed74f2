package kine

import (
	"context"
	"errors"
	"os"

	"github.com/railiance/railiance/tools/internal/sqlitefd"
)

// CheckFile is Check for a copy that may have no name any more, or never had
// one: SQLite opens files by name alone, and what a drill decrypts lies in
// memory.
func CheckFile(ctx context.Context, f *os.File) (contents Contents, err error) {
	info, err := f.Stat()
	if err != nil {
		return Contents{}, err
	}
	options, end, err := sqlitefd.Register(f)
	if err != nil {
		return Contents{}, err
	}
	defer func() { err = errors.Join(err, end()) }()
	src := &source{path: sqlitefd.Path}
	if err := src.connect(ctx, options); err != nil {
		return Contents{}, err
	}
	defer src.close()
	contents = Contents{Size: info.Size()}
	if err := src.check(ctx, &contents); err != nil {
		return Contents{}, err
	}
	return contents, nil
}
