package kine

import (
	"bytes"
	"context"
	"errors"
	"os"
	"reflect"
	"testing"

	"golang.org/x/sys/unix"
)

// inMemory is a file without a name, as a drill has it.
func inMemory(t *testing.T, b []byte) *os.File {
	t.Helper()
	fd, err := unix.MemfdCreate("state-db", unix.MFD_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(fd), "state-db")
	t.Cleanup(func() { f.Close() })
	if _, err := f.Write(b); err != nil {
		t.Fatal(err)
	}
	return f
}

func TestCheckFileNeedsNoName(t *testing.T) {
	path := recorded(t, "state.backup-api.db.zst")
	want, err := Check(context.Background(), path)
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	f := inMemory(t, b)
	for range 2 { // wherever the descriptor stands
		got, err := CheckFile(context.Background(), f)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("in memory %+v, by name %+v", got, want)
		}
	}
}

func TestCheckFileRefuses(t *testing.T) {
	b, err := os.ReadFile(recorded(t, "state.backup-api.db.zst"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := CheckFile(context.Background(), inMemory(t, bytes.Repeat([]byte("no database "), 1000))); !errors.Is(err, ErrNotSQLite) {
		t.Errorf("garbage: %v", err)
	}
	if _, err := CheckFile(context.Background(), inMemory(t, nil)); err == nil {
		t.Error("an empty file is taken")
	}
	if _, err := CheckFile(context.Background(), inMemory(t, b[:len(b)/2])); err == nil {
		t.Error("half a database is taken")
	}
}
