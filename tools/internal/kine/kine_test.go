package kine

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/railiance/railiance/tools/internal/mustrun"
)

// recorded writes a database that kine wrote, decompressed, and returns its
// name.
func recorded(t testing.TB, name string) string {
	t.Helper()
	packed, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	d, err := zstd.NewReader(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	b, err := d.DecodeAll(packed, nil)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "state.db")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// made writes a database of ours.
func made(t testing.TB, statements ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "state.db")
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, s := range statements {
		if _, err := db.Exec(s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
	return path
}

const (
	table  = `CREATE TABLE kine (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT, created INTEGER, deleted INTEGER, create_revision INTEGER, prev_revision INTEGER, lease INTEGER, value BLOB, old_value BLOB)`
	insert = `INSERT INTO kine (name, deleted, value) VALUES `
)

func names(t testing.TB, folder string) []string {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}

// The torn copy passes SQLite's check of integrity: the counts are the proof.
func TestRecorded(t *testing.T) {
	type recording struct {
		Size   int64
		Rows   int            `json:"rows_kine"`
		MaxID  int64          `json:"max_id"`
		Keys   int            `json:"live_keys"`
		Counts map[string]int `json:"live_by_prefix"`
	}
	var all struct {
		Backup recording `json:"backup_api"`
		Torn   recording `json:"torn_without_wal"`
	}
	b, err := os.ReadFile("testdata/expected.json")
	if err == nil {
		err = json.Unmarshal(b, &all)
	}
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]recording{"state.backup-api.db.zst": all.Backup, "state.torn-without-wal.db.zst": all.Torn} {
		t.Run(name, func(t *testing.T) {
			path := recorded(t, name)
			got, err := Check(t.Context(), path)
			if err != nil {
				t.Fatal(err)
			}
			if !maps.Equal(got.Registry, want.Counts) {
				t.Errorf("registry: got %v\nwant %v", got.Registry, want.Counts)
			}
			if got.Rows != want.Rows || got.MaxID != want.MaxID || got.Keys != want.Keys || got.Size != want.Size {
				t.Errorf("got %+v, want %+v", got, want)
			}
			if left := names(t, filepath.Dir(path)); !slices.Equal(left, []string{"state.db"}) {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

func TestCheckCounts(t *testing.T) {
	path := made(t, table, insert+`
		('/bootstrap/0123456789ab', 0, 'salt:data'),
		('/registry/secrets/a/one', 0, 'k8s:enc:aescbc:v1:old:xyz'),
		('/registry/secrets/a/one', 0, 'k8s:enc:aescbc:v1:aescbckey:xyz'),
		('/registry/secrets/a/two', 0, 'plain'),
		('/registry/secrets/a/two', 1, NULL)`)
	got, err := Check(t.Context(), path)
	want := Contents{Keys: 2, Registry: map[string]int{"/bootstrap/": 1, "/registry/secrets/": 1}, Rows: 5, MaxID: 5,
		Bootstrap: 1, Encrypted: 1, Encryption: []string{"aescbc:v1:aescbckey"}, Size: got.Size}
	if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %+v, %v\nwant %+v", got, err, want)
	}
}

// What a stranger may put in place of a backup, and what a person may mistake
// for one.
func TestRefused(t *testing.T) {
	text := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(text, []byte(strings.Repeat("not a database ", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	torn := recorded(t, "state.backup-api.db.zst")
	if err := os.Truncate(torn, 200_000); err != nil {
		t.Fatal(err)
	}
	flipped := recorded(t, "state.backup-api.db.zst")
	f, err := os.OpenFile(flipped, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt(make([]byte, 64), 40*4096); err != nil {
		t.Fatal(err)
	}
	// The table reads well, but an index or two say something else.
	contradicted := recorded(t, "state.backup-api.db.zst")
	b, err := os.ReadFile(contradicted)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(contradicted, bytes.Replace(b, []byte("/registry/secrets/"), []byte("/registry/sfcrets/"), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	withLog := recorded(t, "state.backup-api.db.zst")
	if err := os.WriteFile(withLog+"-wal", []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	var notKine, notSQLite = ErrNotKine, ErrNotSQLite
	for _, c := range []struct {
		name, path, want string
		is               error // what Is says; nil where it looks at less than Check
	}{
		{"missing", filepath.Join(t.TempDir(), "state.db"), "no such file", fs.ErrNotExist},
		{"text", text, "not an SQLite database", notSQLite},
		{"empty", empty, "not an SQLite database", notSQLite},
		{"folder", t.TempDir(), "not a file", notSQLite},
		{"of something else", made(t, `CREATE TABLE users (id INTEGER PRIMARY KEY)`), "no kine table", notKine},
		{"other columns", made(t, `CREATE TABLE kine (id INTEGER PRIMARY KEY, name TEXT)`), "no kine table", notKine},
		{"view", made(t, `CREATE TABLE x (id INTEGER)`, `CREATE VIEW kine AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n) SELECT i AS id, 'x' AS name, 0 AS deleted, x'' AS value FROM n`), `"view"`, notKine},
		{"trigger", made(t, table, `CREATE TRIGGER t AFTER INSERT ON kine BEGIN DELETE FROM kine; END`), `"trigger"`, notKine},
		{"virtual table", made(t, `CREATE VIRTUAL TABLE kine USING fts5(id, name, deleted, value)`), "k3s never makes", notKine},
		{"generated value", made(t, `CREATE TABLE kine (id INTEGER PRIMARY KEY, name TEXT, deleted INTEGER, value BLOB AS (zeroblob(1000000000)))`, `INSERT INTO kine (name, deleted) VALUES ('x', 0)`), "no kine table", notKine},
		{"value of a gigabyte", made(t, table, insert+`('/registry/a/b', 0, zeroblob(20000000))`), "too big", nil},
		{"row without a name", made(t, table, insert+`(NULL, 0, 'x')`), "name of 0 bytes", nil},
		{"name too long", made(t, table, insert+`(hex(zeroblob(3000)), 0, 'x')`), "name of 6000 bytes", nil},
		{"torn", torn, "malformed", nil},
		{"damaged page", flipped, "", nil},
		{"index of another name", contradicted, "damaged:", nil},
		{"with its log", withLog, "not a finished copy", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := Check(t.Context(), c.path)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("Check: got %+v, %v; want %q", got, err, c.want)
			}
			if c.is == nil {
				return
			}
			if err := Is(t.Context(), c.path); !errors.Is(err, c.is) {
				t.Errorf("Is: got %v, want %v", err, c.is)
			}
			dst := filepath.Join(t.TempDir(), "copy")
			if err := Backup(t.Context(), c.path, dst); !errors.Is(err, c.is) {
				t.Errorf("Backup: got %v, want %v", err, c.is)
			}
			if _, err := os.Lstat(dst); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("Backup left a copy: %v", err)
			}
		})
	}
}

// A copy of what a stopped server left behind must not leave files for the
// server to find, and must be one file, closed to others, that any SQLite opens.
func TestBackupOfAStoppedServer(t *testing.T) {
	sqlite3 := mustrun.Command(t, "sqlite3")
	path := recorded(t, "state.backup-api.db.zst")
	// A name that an URI would take for something else.
	odd := filepath.Join(filepath.Dir(path), "a?b#c%41&mode=rwc.db")
	if err := os.Rename(path, odd); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(odd)
	if err != nil {
		t.Fatal(err)
	}
	if err := Is(t.Context(), odd); err != nil {
		t.Fatal(err)
	}
	dst := filepath.Join(t.TempDir(), "co?py.db")
	if err := Backup(t.Context(), odd, dst); err != nil {
		t.Fatal(err)
	}
	after, err := os.ReadFile(odd)
	if err != nil || string(before) != string(after) {
		t.Errorf("the source was changed, or %v", err)
	}
	if left := names(t, filepath.Dir(odd)); len(left) != 1 {
		t.Errorf("left beside the source: %v", left)
	}
	if left := names(t, filepath.Dir(dst)); len(left) != 1 {
		t.Errorf("left beside the copy: %v", left)
	}
	if info, err := os.Stat(dst); err != nil || info.Mode() != 0o600 {
		t.Errorf("mode of the copy: %v, %v", info.Mode(), err)
	}
	if b, err := os.ReadFile(dst); err != nil || b[18] != 1 || b[19] != 1 {
		t.Errorf("the copy says that it has a log: %v, %v", b[18:20], err)
	}
	out, err := exec.CommandContext(t.Context(), sqlite3, "-readonly", dst, "PRAGMA integrity_check; SELECT count(*) FROM kine").CombinedOutput()
	if err != nil || string(out) != "ok\n269\n" {
		t.Errorf("sqlite3: %v, %s", err, out)
	}
	if got, err := Check(t.Context(), dst); err != nil || got.Rows != 269 {
		t.Errorf("Check: %d rows, %v", got.Rows, err)
	}
	if err := Backup(t.Context(), odd, dst); !errors.Is(err, fs.ErrExist) {
		t.Errorf("onto a file that exists: %v", err)
	}
	if got, err := Check(t.Context(), dst); err != nil || got.Rows != 269 {
		t.Errorf("the file that existed: %d rows, %v", got.Rows, err)
	}
}

func TestBackupEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	folder := t.TempDir()
	if err := Backup(ctx, recorded(t, "state.backup-api.db.zst"), filepath.Join(folder, "copy")); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if left := names(t, folder); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

// A server that starts while its quiet file is copied makes the copy worthless.
func TestDisturbed(t *testing.T) {
	for name, disturb := range map[string]func(path string) error{
		"a log appears": func(path string) error { return os.WriteFile(path+"-wal", nil, 0o600) },
		"written":       func(path string) error { return os.Chtimes(path, time.Time{}, time.Now().Add(time.Minute)) },
		"grown":         func(path string) error { return os.Truncate(path, 1<<20) },
	} {
		t.Run(name, func(t *testing.T) {
			path := recorded(t, "state.backup-api.db.zst")
			src, err := open(t.Context(), path)
			if err != nil {
				t.Fatal(err)
			}
			defer src.close()
			if is, err := src.disturbed(); is || err != nil {
				t.Fatalf("before: %v, %v", is, err)
			}
			if err := disturb(path); err != nil {
				t.Fatal(err)
			}
			if is, err := src.disturbed(); !is || err != nil {
				t.Errorf("after: %v, %v", is, err)
			}
		})
	}
}

// FuzzCheck changes the recorded database and demands an answer without panic.
func FuzzCheck(f *testing.F) {
	good, err := os.ReadFile(recorded(f, "state.backup-api.db.zst"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(uint32(18), []byte{1, 1})
	f.Add(uint32(100), []byte{5})
	f.Add(uint32(4096+3), []byte{0xff, 0xff})
	f.Add(uint32(good[105]), []byte("CREATE VIEW kine"))
	path := filepath.Join(f.TempDir(), "state.db")
	f.Fuzz(func(t *testing.T, at uint32, change []byte) {
		b := slices.Clone(good)
		copy(b[int(at)%len(b):], change)
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		got, err := Check(ctx, path)
		if errors.Is(err, context.DeadlineExceeded) {
			t.Error("too much work")
		}
		if err == nil && (got.Keys > got.Rows || got.MaxID < int64(got.Rows)) {
			t.Errorf("%+v", got)
		}
	})
}
