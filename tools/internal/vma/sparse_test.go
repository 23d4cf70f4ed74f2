package vma_test

import (
	"os"
	"syscall"
	"testing"
)

// allocated returns how many bytes of a file really lie on the disk.
func allocated(t *testing.T, root *os.Root, name string) int64 {
	t.Helper()
	info, err := root.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	return info.Sys().(*syscall.Stat_t).Blocks * 512
}
