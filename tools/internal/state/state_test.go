package state

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestLock(t *testing.T) {
	dir := t.TempDir()
	lock, err := Acquire(dir)
	if err != nil {
		t.Fatal(err)
	}
	_, err = Acquire(dir)
	if !errors.Is(err, ErrHeld) || !strings.Contains(err.Error(), "pid ") || !strings.Contains(err.Error(), filepath.Join(dir, LockName)) {
		t.Errorf("%v, want ErrHeld, by whom and where", err)
	}
	if err := lock.Unlock(); err != nil {
		t.Fatal(err)
	}
	// The file stays: a second file of that name would be a second lock.
	info, err := os.Stat(filepath.Join(dir, LockName))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	again, err := Acquire(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Unlock(); err != nil {
		t.Fatal(err)
	}
}

// A lock must not become a way to write somewhere else.
func TestLockFollowsNothing(t *testing.T) {
	dir, target := t.TempDir(), filepath.Join(t.TempDir(), "target")
	if err := os.WriteFile(target, []byte("kept"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(target, filepath.Join(dir, LockName)); err != nil {
		t.Fatal(err)
	}
	if _, err := Acquire(dir); err == nil {
		t.Error("the lock is a link, and it was taken")
	}
	if b, err := os.ReadFile(target); err != nil || string(b) != "kept" {
		t.Errorf("%q, %v", b, err)
	}
	if _, err := Acquire(filepath.Join(dir, "none")); err == nil || errors.Is(err, ErrHeld) {
		t.Errorf("without a folder: %v", err)
	}
}

func TestStamp(t *testing.T) {
	dir := t.TempDir()
	if _, err := ReadStamp(dir, BackupStamp); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("none: %v", err)
	}
	at := time.Date(2026, 11, 21, 2, 0, 0, 0, time.UTC)
	want := Stamp{Format: 1, Deed: "drill", Time: at, Manifest: "manifest-20261121T020000Z.json", Seconds: 1.5, Proof: "booted", Counts: map[string]int64{"keys": 3}}
	for range 2 { // also over one that is there
		if err := WriteStamp(dir, DrillStamp, want); err != nil {
			t.Fatal(err)
		}
	}
	got, err := ReadStamp(dir, DrillStamp)
	if err != nil {
		t.Fatal(err)
	}
	if got.Manifest != want.Manifest || got.Proof != want.Proof || !got.Time.Equal(at) || got.Counts["keys"] != 3 {
		t.Errorf("%+v, want %+v", got, want)
	}
	info, err := os.Stat(filepath.Join(dir, DrillStamp))
	if err != nil {
		t.Fatal(err)
	}
	if !info.ModTime().Equal(at) || info.Mode() != 0o600 {
		t.Errorf("the file is of %s, %s; want the time of the deed, 0600", info.ModTime(), info.Mode())
	}
	if files, err := os.ReadDir(dir); err != nil || len(files) != 1 {
		t.Errorf("%v, %v", files, err)
	}
}

func TestStampsThatAreNone(t *testing.T) {
	for name, text := range map[string]string{
		"empty": "", "torn": `{"format": 1, "deed`, "of tomorrow": `{"format": 2}`, "too large": strings.Repeat(" ", stateLimit+1),
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, BackupStamp), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if s, err := ReadStamp(dir, BackupStamp); err == nil || errors.Is(err, fs.ErrNotExist) || s.Deed != "" {
			t.Errorf("%s: %+v, %v", name, s, err)
		}
	}
}

func TestSeen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state", "cluster.seen")
	if s, err := ReadSeen(path); err != nil || s != (Seen{}) {
		t.Errorf("nothing yet: %+v, %v", s, err)
	}
	if swept, err := SweepSeen(path); err != nil || len(swept) > 0 {
		t.Errorf("nothing yet: %q, %v", swept, err)
	}
	if err := WriteSeen(path, Seen{Sequence: 7, Manifest: "m", SHA256: "s"}); err != nil {
		t.Fatal(err)
	}
	if s, err := ReadSeen(path); err != nil || s.Sequence != 7 || s.Manifest != "m" || s.SHA256 != "s" {
		t.Errorf("%+v, %v", s, err)
	}
	dir, err := os.Stat(filepath.Dir(path))
	if err != nil || dir.Mode().Perm() != 0o700 {
		t.Errorf("%v, %v", dir, err)
	}
	// What was forgotten must not look like what was never known.
	if err := os.WriteFile(path, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadSeen(path); err == nil {
		t.Error("a torn memory is taken for none")
	}
}

// The drafts of another layer, or of anybody else, are not ours to remove.
func TestSweepSeen(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{".draft-cluster.seen-1", ".draft-apps.seen-1", ".draft-x", "cluster.seen"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	swept, err := SweepSeen(filepath.Join(dir, "cluster.seen"))
	if err != nil || len(swept) != 1 || swept[0] != filepath.Join(dir, ".draft-cluster.seen-1") {
		t.Errorf("%q, %v", swept, err)
	}
	if files, err := os.ReadDir(dir); err != nil || len(files) != 3 {
		t.Errorf("%v, %v", files, err)
	}
}

// What cannot be replaced stays as it was, and no draft is left beside it.
func TestReplaceFails(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "folder", "full"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := ReplaceBytes(filepath.Join(dir, "folder"), []byte("x"), 0o600); err == nil {
		t.Error("a folder was replaced by a file")
	}
	if err := Replace(filepath.Join(dir, "a"), make(chan int)); err == nil {
		t.Error("what is no JSON was written")
	}
	if files, err := os.ReadDir(dir); err != nil || len(files) != 1 {
		t.Errorf("%v, %v", files, err)
	}
}
