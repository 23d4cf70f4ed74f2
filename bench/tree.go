package main

import (
	"bytes"
	"os"
	"strconv"
	"time"
)

// sampling is how often the memory of a tree is looked at.
const sampling = 3 * time.Millisecond

// tree watches the memory of all processes of a session.
type tree struct{ all, first int64 } // peaks in bytes, first: of the process that was started

// begin watches until the returned function is called. A nil tree watches
// nothing.
func (t *tree) begin(session int) (stop func()) {
	if t == nil {
		return func() {}
	}
	ended, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(sampling)
		defer tick.Stop()
		for {
			all, first := resident(session)
			t.all, t.first = max(t.all, all), max(t.first, first)
			select {
			case <-ended:
				return
			case <-tick.C:
			}
		}
	}()
	return func() {
		close(ended)
		<-done
	}
}

// process is what /proc tells of one.
type process struct {
	pid, parent, name, size string
	resident                int64 // bytes
}

// resident is the resident memory of the processes of a session, and of its
// first one, in bytes. A page that two programs share counts twice; what a
// program has not yet replaced after its fork counts once.
func resident(session int) (all, first int64) {
	leader := strconv.Itoa(session)
	members := map[string]process{}
	proc, err := os.Open("/proc")
	if err != nil {
		return 0, 0
	}
	defer proc.Close()
	names, err := proc.Readdirnames(-1)
	if err != nil {
		return 0, 0
	}
	for _, pid := range names {
		if pid[0] < '1' || pid[0] > '9' {
			continue
		}
		stat, err := os.ReadFile("/proc/" + pid + "/stat")
		if err != nil {
			continue // it has ended
		}
		// pid (name) state parent group session …; the 23rd field is the size
		// of the address space, the 24th the resident pages
		open, end := bytes.IndexByte(stat, '('), bytes.LastIndexByte(stat, ')')
		fields := bytes.Fields(stat[end+1:])
		if string(fields[3]) != leader {
			continue
		}
		pages, err := strconv.ParseInt(string(fields[21]), 10, 64)
		if err != nil {
			continue
		}
		members[pid] = process{
			pid: pid, parent: string(fields[1]), name: string(stat[open:end]), size: string(fields[20]),
			resident: pages * int64(os.Getpagesize()),
		}
	}
	for _, p := range members {
		if parent := members[p.parent]; parent.name == p.name && parent.size == p.size {
			continue
		}
		all += p.resident
	}
	return all, members[leader].resident
}
