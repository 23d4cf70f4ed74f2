package main

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"time"
)

// sampling is how often the memory of a tree is looked at.
const sampling = 3 * time.Millisecond

// tree watches the memory of all processes of a session.
type tree struct{ peak int64 }

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
			t.peak = max(t.peak, resident(session))
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

// resident is the resident memory of the processes of a session, in bytes. A
// page that two of them share counts twice.
func resident(session int) int64 {
	proc, err := os.Open("/proc")
	if err != nil {
		return 0
	}
	defer proc.Close()
	names, err := proc.Readdirnames(-1)
	if err != nil {
		return 0
	}
	var sum int64
	for _, name := range names {
		if name[0] < '1' || name[0] > '9' {
			continue
		}
		stat, err := os.ReadFile("/proc/" + name + "/stat")
		if err != nil {
			continue // it has ended
		}
		// pid (name) state parent group session …; the 24th field is the resident pages
		fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
		if len(fields) < 22 || string(fields[3]) != strconv.Itoa(session) {
			continue
		}
		pages, err := strconv.ParseInt(string(fields[21]), 10, 64)
		if err != nil {
			panic(fmt.Sprintf("/proc/%s/stat is not as the kernel documents it", name))
		}
		sum += pages * int64(os.Getpagesize())
	}
	return sum
}
