package nodebackup

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/railiance/railiance/tools/internal/host"
	"github.com/railiance/railiance/tools/internal/nodetar"
	"github.com/railiance/railiance/tools/internal/tell"
)

//go:embed files.sh
var filesScript string

const (
	// largest is the size above which a file is left out, in KiB: there is no
	// setting of that size.
	largest = 64 << 10
	// filesTimeout is that of all files of a node. They are a few MiB.
	filesTimeout = 20 * time.Minute
	saidMax      = 64 << 10
)

// folders are what is taken besides /etc/pve: all of /etc, since what is
// forgotten in a list of its parts is missed on the day it is needed.
func folders() []string { return []string{"etc", "root/.ssh", "var/spool/cron/crontabs"} }

// files takes the node's files over into the archive.
func (c *collection) files(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, filesTimeout, fmt.Errorf("%s: its files took longer than %s", c.remote.Target, filesTimeout))
	defer cancel()
	r, w := io.Pipe()
	var said said
	ended := make(chan error, 1)
	go func() {
		err := host.Run(ctx, c.remote.Command(host.Command{
			Args: append([]string{"sh", "-c", filesScript, "files", strconv.Itoa(largest)}, folders()...),
			Env:  []string{"LC_ALL=C.UTF-8"}, Stdout: w, Stderr: &said,
		}))
		_ = w.Close()
		ended <- err
	}()
	err := c.takeOver(ctx, r)
	if broken := (torn{}); errors.As(err, &broken) {
		// What tar has to say of it comes at its end.
		_, _ = io.Copy(io.Discard, io.LimitReader(r, nodetar.MaxBytes))
	} else if err != nil {
		cancel()
	}
	_ = r.CloseWithError(err)
	return c.judge(ctx, err, <-ended, said.lines())
}

// judge says what is wrong, if anything, of what we met and of what tar did: a
// tar that failed explains an archive that is torn, and nothing else.
func (c *collection) judge(ctx context.Context, ours, theirs error, said []string) error {
	var exit *host.ExitError
	changed := errors.As(theirs, &exit) && exit.Code == 1
	var broken torn
	switch {
	case ours != nil && !errors.As(ours, &broken):
		return ours
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case theirs != nil && !changed:
		err := fmt.Errorf("the files of %s: %w", c.node, theirs)
		if exit != nil && exit.Code == 4 {
			err = tell.Hint(err, "on %s: systemctl status pve-cluster", c.node)
		}
		return err
	case ours != nil:
		return fmt.Errorf("the files of %s: %w", c.node, ours)
	}
	for _, line := range said {
		c.report.say(line)
		c.find(strings.TrimPrefix(line, "railiance: "), "")
	}
	for _, folder := range folders() {
		if !c.names.Has(folder) {
			c.report.Absent = append(c.report.Absent, "/"+folder)
		}
	}
	return nil
}

// said keeps the beginning of what a program complains about.
type said struct{ kept bytes.Buffer }

func (s *said) Write(p []byte) (int, error) {
	s.kept.Write(p[:min(len(p), saidMax-s.kept.Len())])
	return len(p), nil
}

// lines are what was said, printable.
func (s *said) lines() []string {
	var all []string
	for line := range strings.Lines(s.kept.String()) {
		if line = strings.TrimSpace(host.Printable(strings.TrimSuffix(line, "\n"))); line != "" {
			all = append(all, line)
		}
	}
	return all
}
