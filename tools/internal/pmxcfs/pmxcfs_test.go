package pmxcfs_test

import (
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	_ "modernc.org/sqlite"

	"github.com/railiance/railiance/tools/internal/pmxcfs"
)

const tree = `CREATE TABLE tree (inode INTEGER PRIMARY KEY NOT NULL, parent INTEGER NOT NULL CHECK(typeof(parent)=='integer'),
	version INTEGER NOT NULL, writer INTEGER NOT NULL, mtime INTEGER NOT NULL, type INTEGER NOT NULL, name TEXT NOT NULL, data BLOB);`

func made(t *testing.T, statements string) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.db")
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec(statements); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func entry(i int) string {
	return fmt.Sprintf("INSERT INTO tree VALUES (%d, 0, 1, 1, 1, 8, 'file-%d', '%s');", i, i, strings.Repeat("x", 3000))
}

func TestCheck(t *testing.T) {
	var entries strings.Builder
	for i := range 20 {
		entries.WriteString(entry(i + 1))
	}
	good := made(t, tree+entries.String())
	torn := good[:len(good)/2]
	bent := append([]byte{}, good...)
	copy(bent[5*4096:], strings.Repeat("\xff", 200))
	for name, c := range map[string]struct {
		content []byte
		entries int64
		want    string
	}{
		"sound":       {content: good, entries: 20},
		"with a log":  {content: made(t, "PRAGMA journal_mode=wal;"+tree+entry(1)), entries: 1},
		"torn":        {content: torn, want: "malformed"},
		"bent":        {content: bent, want: "damaged"},
		"empty":       {content: nil, want: "no table tree"},
		"no entries":  {content: made(t, tree), want: "is empty"},
		"not SQLite":  {content: []byte(strings.Repeat("hello", 1000)), want: "not a database"},
		"another one": {content: made(t, "CREATE TABLE kine (id INTEGER PRIMARY KEY, name TEXT);"), want: "no table tree"},
		"with a view": {content: made(t, tree+entry(1)+"CREATE VIEW v AS SELECT 1;"), want: "never makes"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "copy")
			if err := os.WriteFile(path, c.content, 0o600); err != nil {
				t.Fatal(err)
			}
			f, err := os.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			// It must not need its name.
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
			n, err := pmxcfs.Check(t.Context(), f)
			switch {
			case c.want == "" && (err != nil || n != c.entries):
				t.Errorf("%d, %v", n, err)
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
				t.Errorf("%v does not say %q", err, c.want)
			}
		})
	}
}
