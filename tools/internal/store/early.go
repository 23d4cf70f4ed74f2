package store

import (
	"os"

	"golang.org/x/sys/unix"
)

// early is how many bytes are written before the disk is told to begin.
const early = 8 << 20

// earlyWriter has the disk begin while more is being written. Without it the
// kernel keeps gigabytes back until the file is synced: the disk idles, and
// then a burst holds up whoever else syncs there, such as etcd.
type earlyWriter struct {
	f          *os.File
	end, begun int64
}

func (e *earlyWriter) Write(p []byte) (int, error) {
	n, err := e.f.Write(p)
	e.end += int64(n)
	if e.end-e.begun >= early {
		// What it fails with, the sync after the last byte fails with too. It
		// waits for nothing: waiting here would take that error away.
		_ = unix.SyncFileRange(int(e.f.Fd()), e.begun, e.end-e.begun, unix.SYNC_FILE_RANGE_WRITE)
		e.begun = e.end
	}
	return n, err
}
