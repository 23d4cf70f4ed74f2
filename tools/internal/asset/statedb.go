package asset

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/railiance/railiance/tools/internal/catalog"
	"github.com/railiance/railiance/tools/internal/kine"
	"github.com/railiance/railiance/tools/internal/tell"
)

// KindStateDB is a copy of k3s's SQLite database, made by SQLite itself.
const KindStateDB = "state-db"

// StateDB copies the database beside the running server.
type StateDB struct{ K3s K3s }

var ourCopies = regexp.MustCompile(`^railiance-[0-9]{8}T[0-9]{6}Z$`)

// Take copies the database into a private folder next to it: plaintext goes
// only where the same plaintext is already.
func (s StateDB) Take(ctx context.Context, at time.Time) (_ *Dump, err error) {
	version, err := s.K3s.Version(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.room(); err != nil {
		return nil, err
	}
	dir := filepath.Join(filepath.Dir(s.K3s.StateDB()), "railiance-"+at.UTC().Format(catalog.TimeLayout))
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, fmt.Errorf("state-db: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(dir))
		}
	}()
	path := filepath.Join(dir, "state.db")
	if err := kine.Backup(ctx, s.K3s.StateDB(), path); err != nil {
		return nil, err
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("state-db: %w", err)
	}
	return &Dump{
		Asset: "state-db", Kind: KindStateDB, Ext: "db",
		Write: func(w io.Writer) (Report, error) { return writeStateDB(ctx, w, f, version) },
		Close: func() error { return errors.Join(f.Close(), os.RemoveAll(dir)) },
	}, nil
}

// room refuses to fill the disk of a running server.
func (s StateDB) room() error {
	size := int64(0)
	for _, path := range []string{s.K3s.StateDB(), s.K3s.StateDB() + "-wal"} {
		info, err := os.Stat(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("state-db: %w", err)
		}
		size += info.Size()
	}
	var disk unix.Statfs_t
	if err := unix.Statfs(filepath.Dir(s.K3s.StateDB()), &disk); err != nil {
		return fmt.Errorf("state-db: %w", err)
	}
	if free := int64(disk.Bavail) * disk.Bsize; free < size+size/4 {
		return tell.Hint(fmt.Errorf("state-db: a copy of %d bytes needs room beside the database, where %d are free", size, free),
			"free space on the disk of %s", s.K3s.DataDir)
	}
	return nil
}

func writeStateDB(ctx context.Context, w io.Writer, f *os.File, version string) (Report, error) {
	found, err := kine.Check(ctx, f.Name())
	if err != nil {
		return Report{}, err
	}
	if _, err := io.Copy(w, f); err != nil {
		return Report{}, fmt.Errorf("copy: %w", err)
	}
	report := Report{
		Source: map[string]string{
			"k3s":        version,
			"datastore":  "sqlite",
			"revision":   strconv.FormatInt(found.MaxID, 10),
			"encryption": strings.Join(found.Encryption, " "),
		},
		Checks:   []catalog.Check{ok("integrity"), ok("kine")},
		Contents: datastoreContents(found.Keys, found.Bootstrap, found.Registry),
	}
	return report, plausible(report.Contents)
}

func checkStateDB(ctx context.Context, f *os.File) (catalog.Contents, error) {
	found, err := kine.CheckFile(ctx, f)
	if err != nil {
		return nil, err
	}
	return datastoreContents(found.Keys, found.Bootstrap, found.Registry), nil
}

// Plan says where the database is.
func (s StateDB) Plan(ctx context.Context) (string, error) {
	if err := errors.Join(kine.Is(ctx, s.K3s.StateDB()), s.room()); err != nil {
		return "", err
	}
	return "state-db: copy " + s.K3s.StateDB() + " through SQLite's backup interface", nil
}

// Sweep removes the copies that killed runs left.
func (s StateDB) Sweep(context.Context) ([]string, error) {
	dir := filepath.Dir(s.K3s.StateDB())
	files, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("remove our copies of the database: %w", err)
	}
	var swept []string
	for _, file := range files {
		if !file.IsDir() || !ourCopies.MatchString(file.Name()) {
			continue
		}
		path := filepath.Join(dir, file.Name())
		if err := os.RemoveAll(path); err != nil {
			return swept, tell.Hint(fmt.Errorf("remove our copy of the database: %w", err), "it is plaintext: remove it by hand")
		}
		swept = append(swept, path)
	}
	return swept, nil
}
