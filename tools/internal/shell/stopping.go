package shell

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/railiance/railiance/tools/internal/host"
	"github.com/railiance/railiance/tools/internal/tell"
)

const (
	// together is how far apart signals may be that are one: timeout(1) and
	// systemd send theirs to the program, and to its group or its unit too.
	together = 500 * time.Millisecond
	// patience is after how long it is told again what is waited for.
	patience = 10 * time.Second
)

// attend tells, once a signal has stopped the deed, what it still waits for. It
// returns true when the program is to end at once, since somebody has signalled
// again, and false when over is closed. story is not the deed's, which may go
// into a log that nobody sees who waits.
func attend(stopped context.Context, story *tell.Teller, children *host.Children, over <-chan struct{}) bool {
	again := make(chan os.Signal, 1)
	signal.Notify(again, syscall.SIGINT, syscall.SIGTERM)
	defer signal.Stop(again)
	select {
	case <-stopped.Done():
	case <-over:
		return false
	}
	select {
	case <-time.After(together):
	case <-over:
		return false // most end before anybody wonders
	}
	select {
	case <-again: // the first one, or what came with it
	default:
	}
	for {
		story.Warn("", "stopping: %s; a second ^C ends at once, and leaves what is unfinished to the next run", awaited(children.Names()))
		select {
		case <-again:
			return true
		case <-over:
			return false
		case <-time.After(patience):
		}
	}
}

// awaited says what a deed that was stopped is waiting for.
func awaited(children []string) string {
	const most = 3
	if len(children) == 0 {
		return "cleans up"
	}
	more := ""
	if n := len(children) - most; n > 0 {
		children, more = children[:most], fmt.Sprintf(", and %d more", n)
	}
	return fmt.Sprintf("waits for %s%s", strings.Join(children, ", "), more)
}
