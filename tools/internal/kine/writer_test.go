package kine

import (
	"bufio"
	"context"
	"database/sql"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

const (
	writerVariable = "RAILIANCE_TEST_WRITER"
	crashVariable  = "RAILIANCE_TEST_CRASH"
)

// TestMain lets the test binary be the server: SQLite's locks are those of a
// process, so that a writer in the process of the test would prove nothing.
func TestMain(m *testing.M) {
	if path := os.Getenv(writerVariable); path != "" {
		crash := -1
		if text := os.Getenv(crashVariable); text != "" {
			var err error
			if crash, err = strconv.Atoi(text); err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
		}
		if err := serve(path, crash); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// serve writes as k3s does until its standard input ends: each transaction
// gives two keys the same number. It says when it began, and at the end the
// longest that a transaction took. In the midst of transaction number crash it
// is killed.
func serve(path string, crash int) error {
	db, err := sql.Open("sqlite", path+"?_pragma=busy_timeout(30000)&_pragma=journal_mode(WAL)&_pragma=synchronous(1)&_txlock=immediate")
	if err != nil {
		return err
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	if _, err := db.Exec(table); err != nil {
		return err
	}
	// Enough for the copy to take several steps.
	if _, err := db.Exec(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 20000)
		INSERT INTO kine (name, deleted, value) SELECT '/registry/configmaps/ns/' || i, 0, randomblob(2000) FROM n`); err != nil {
		return err
	}
	stop := make(chan bool)
	go func() {
		bufio.NewReader(os.Stdin).ReadString('\n')
		close(stop)
	}()
	longest := time.Duration(0)
	for n := 0; ; n++ {
		select {
		case <-stop:
			fmt.Println(longest.Milliseconds())
			return nil
		default:
		}
		began := time.Now()
		tx, err := db.Begin()
		if err != nil {
			return err
		}
		for _, name := range []string{"/registry/leases/pair/left", "/registry/leases/pair/right"} {
			if n == crash && strings.HasSuffix(name, "right") {
				syscall.Kill(os.Getpid(), syscall.SIGKILL)
			}
			if _, err := tx.Exec(`INSERT INTO kine (name, deleted, value) VALUES (?, 0, ?)`, name, strconv.Itoa(n)); err != nil {
				return err
			}
		}
		if err := tx.Commit(); err != nil {
			return err
		}
		longest = max(longest, time.Since(began))
		if n == 0 {
			fmt.Println("ready")
		}
	}
}

// server starts a writer and waits until it writes. stop ends it in peace and
// returns the longest transaction.
func server(t *testing.T, path string, settings ...string) (cmd *exec.Cmd, stop func() time.Duration) {
	t.Helper()
	cmd = exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(append(os.Environ(), writerVariable+"="+path), settings...)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(out)
	if line, err := lines.ReadString('\n'); line != "ready\n" {
		t.Fatalf("the writer says %q, %v", line, err)
	}
	return cmd, func() time.Duration {
		t.Helper()
		fmt.Fprintln(in)
		line, err := lines.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		ms, err := strconv.Atoi(strings.TrimSpace(line))
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Wait(); err != nil {
			t.Fatal(err)
		}
		return time.Duration(ms) * time.Millisecond
	}
}

// pair returns the newest number of either key.
func pair(t *testing.T, path string) (left, right string) {
	t.Helper()
	db, err := sql.Open("sqlite", uri(path)+"?mode=ro&immutable=1")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for name, into := range map[string]*string{"left": &left, "right": &right} {
		if err := db.QueryRow(`SELECT value FROM kine WHERE name = '/registry/leases/pair/' || ? ORDER BY id DESC LIMIT 1`, name).Scan(into); err != nil {
			t.Fatal(err)
		}
	}
	return left, right
}

// Copies of a database that is written all the time: each whole, each of one
// moment, each newer than the one before, and the writer hardly held up.
func TestBackupBesideAWriter(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	_, stop := server(t, path)
	last := -1
	for i := range 4 {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		dst := filepath.Join(t.TempDir(), "copy")
		if err := Backup(ctx, path, dst); err != nil {
			t.Fatal(err)
		}
		got, err := Check(ctx, dst)
		if err != nil {
			t.Fatal(err)
		}
		left, right := pair(t, dst)
		n, err := strconv.Atoi(left)
		if left != right || err != nil || n <= last {
			t.Errorf("copy %d shows %q and %q, the one before %d", i, left, right, last)
		}
		last = n
		if got.Keys != 20_002 || got.Rows != 20_000+2*(n+1) || got.Registry["/registry/leases/"] != 2 {
			t.Errorf("copy %d: %d keys, %d rows at number %d", i, got.Keys, got.Rows, n)
		}
	}
	// Generous, for the machines that test are slow; k3s itself waits for 30 s.
	if longest := stop(); longest > 5*time.Second {
		t.Errorf("a transaction took %v", longest)
	}
}

// After a crash the newest objects are in the log alone, and have to be in the
// copy.
func TestBackupAfterACrash(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	// Few enough that SQLite does not write them into the database by itself.
	const transactions = 100
	cmd, _ := server(t, path, crashVariable+"="+strconv.Itoa(transactions))
	if err := cmd.Wait(); err == nil || cmd.ProcessState.Exited() {
		t.Fatalf("the writer was not killed: %v", err)
	}
	if !logExists(path) {
		t.Fatal("the crash left no log: this proves nothing")
	}
	plain, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	dst := filepath.Join(t.TempDir(), "copy")
	if err := Backup(t.Context(), path, dst); err != nil {
		t.Fatal(err)
	}
	whole, err := Check(t.Context(), dst)
	if err != nil {
		t.Fatal(err)
	}
	newest := strconv.Itoa(transactions - 1)
	if left, right := pair(t, dst); left != newest || right != newest || whole.Rows != 20_000+2*transactions {
		t.Errorf("copy shows %q and %q in %d rows", left, right, whole.Rows)
	}
	// What cp would have taken.
	torn := filepath.Join(t.TempDir(), "torn")
	if err := os.WriteFile(torn, plain, 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := Check(t.Context(), torn); err == nil && got.Rows >= whole.Rows {
		t.Errorf("a plain copy has all %d rows too: this proves nothing", got.Rows)
	}
}

// While another holds the database for itself, Backup waits, and no longer than
// it may.
func TestBackupWaits(t *testing.T) {
	path := made(t, "PRAGMA journal_mode=DELETE", table, insert+`('/registry/a/b', 0, 'x')`)
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	lock := func() {
		t.Helper()
		if _, err := conn.ExecContext(t.Context(), "BEGIN EXCLUSIVE"); err != nil {
			t.Fatal(err)
		}
	}
	lock()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	folder := t.TempDir()
	began := time.Now()
	err = Backup(ctx, path, filepath.Join(folder, "late"))
	if err == nil || ctx.Err() == nil || time.Since(began) > 10*time.Second {
		t.Errorf("got %v after %v", err, time.Since(began))
	}
	if left := names(t, folder); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
	time.AfterFunc(300*time.Millisecond, func() { conn.ExecContext(context.Background(), "COMMIT") })
	if err := Backup(t.Context(), path, filepath.Join(folder, "copy")); err != nil {
		t.Errorf("after the lock was given back: %v", err)
	}
}
