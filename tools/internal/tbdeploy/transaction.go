package tbdeploy

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/railiance/railiance/tools/internal/host"
	"github.com/railiance/railiance/tools/internal/tell"
	"github.com/railiance/railiance/tools/internal/thunderbolt"
)

// names are what a script for the node wants: the bridge and the interfaces.
func (d *Deployment) names() []string {
	n := d.Plan.Node(d.Node)
	all := append([]string{d.Plan.Bridge}, n.Interfaces...)
	if hosts, _ := ownAddresses(d.Plan, n); len(hosts) > 0 {
		all = append(all, loopback)
	}
	return all
}

// confirm confirms it. Where the answer to that is lost, the node may well have
// heard the question: what it keeps tells. before is the name of the last
// deployment before this one.
func (d *Deployment) confirm(ctx context.Context, remote host.Remote, before string) error {
	_, err := d.call(ctx, remote, "", "confirm")
	if err == nil {
		return nil
	}
	limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), 15*time.Second)
	defer cancel()
	if found, again := look(limited, remote, "", nil); again == nil && !found.pending && found.kept != before {
		return nil
	}
	return fmt.Errorf("confirmation: %w", err)
}

func (d *Deployment) call(ctx context.Context, remote host.Remote, input, name string, args ...string) (string, error) {
	c := command(name, args...)
	c.Stdin = strings.NewReader(input)
	out, err := host.Output(ctx, remote.Command(c), lookMax)
	if err != nil {
		return string(out), fmt.Errorf("%s: %w", d.Node, err)
	}
	return string(out), nil
}

// begin brings the files to the node and starts its timer. Where an earlier
// deployment had not come to its end it does only that, and says which it was.
func (d *Deployment) begin(ctx context.Context, remote host.Remote, files []File) (earlier string, err error) {
	var b strings.Builder
	for _, name := range []string{"watch", "undo", "cancel", "confirm", "boot"} {
		fmt.Fprintf(&b, "script - %s.sh %s\n", name, base64.StdEncoding.EncodeToString([]byte(script(name))))
	}
	for _, f := range files {
		kind, data := "file", base64.StdEncoding.EncodeToString([]byte(f.Text))
		switch {
		case f.Gone:
			kind, data = "gone", ""
		case f.Kept != "":
			kind, data = "back", f.Kept
		}
		fmt.Fprintf(&b, "%s %s %s %s\n", kind, f.Mode, f.Path, data)
	}
	b.WriteString("end\n")
	limited, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	out, err := d.call(limited, remote, b.String(), "begin", append([]string{strconv.Itoa(int(d.Window / time.Second))}, d.names()...)...)
	var exit *host.ExitError
	switch {
	case errors.As(err, &exit) && exit.Code == leftover:
		d.edited(out)
		earlier = Undone
		if strings.Contains(out, Confirmed+"\n") {
			earlier = Confirmed
		}
		return earlier, tell.Hint(fmt.Errorf("%s: an earlier deployment had not come to its end, and is %s now; this one was not begun", d.Node, earlier), "run it again")
	case err != nil:
		return "", err
	case !strings.Contains(out, "begun\n"):
		return "", fmt.Errorf("%s: what it answers makes no sense", d.Node)
	}
	d.Tell.Say("", "%s undoes it by itself unless it is confirmed within %s", d.Node, d.Window)
	return "", nil
}

// leftover is the exit status of begin where it found an unfinished deployment.
const leftover = 76

// try applies it, and waits for a check that is no worse than before. It gives up
// while there is time for the node.
func (d *Deployment) try(ctx context.Context, remote host.Remote, before thunderbolt.Diagnosis) (thunderbolt.Diagnosis, error) {
	began := time.Now()
	limited, cancel := context.WithTimeoutCause(ctx, d.Window, errCutOff)
	defer cancel()
	if err := d.apply(limited, remote); err != nil {
		return before, err
	}
	_, delay := timers(len(d.Plan.Nodes))
	settled := time.Duration(2*delay+6) * time.Second
	last := errors.New("there was no time for a check")
	after, told := before, false
	for time.Since(began) < d.Window-3*time.Second {
		var err error
		after, err = d.Check(limited)
		if ctx.Err() != nil {
			return after, context.Cause(ctx)
		}
		if err != nil {
			return after, err
		}
		worse, _ := appeared(before, after)
		if len(worse) == 0 && (after.Healthy() || time.Since(began) > settled) {
			return after, nil
		}
		if len(worse) > 0 {
			last = fmt.Errorf("it is worse than before: %s", strings.Join(sentences(worse), "; "))
			if !told {
				told = true
				d.Tell.Say("", "%s: so far %v: looking again, for up to %s", d.Node, last, (d.Window - time.Since(began)).Round(time.Second))
			}
		}
		select {
		case <-limited.Done():
		case <-time.After(time.Second):
		}
	}
	return after, last
}

func sentences(faults []thunderbolt.Fault) []string {
	var all []string
	for _, f := range faults {
		all = append(all, f.What)
	}
	return all
}

// edited tells what the node has kept since it found it edited when it was undone.
func (d *Deployment) edited(out string) {
	for line := range strings.Lines(out) {
		if strings.HasPrefix(line, "edited since it was deployed: ") {
			d.Tell.Warn("", "%s: %s", d.Node, host.Printable(strings.TrimSpace(line)))
		}
	}
}

var errCutOff = errors.New("the node has not answered since it was changed")

// undo has the node undo it, or waits until it has done so by itself, and says
// what became of it: a confirmation may have come further than was heard. before
// is the name of the last deployment before this one.
func (d *Deployment) undo(ctx context.Context, remote host.Remote, before string, why error) (string, error) {
	d.Tell.Warn("", "%s: %v: it is being undone", d.Node, why)
	began := time.Now()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), d.Window+90*time.Second)
	defer cancel()
	told := map[bool]bool{} // by whether the node itself said why not
	for {
		limited, stop := context.WithTimeout(ctx, 20*time.Second)
		out, failed := d.call(limited, remote, "", "cancel")
		d.edited(out)
		stop()
		if failed == nil {
			var found *node
			if found, failed = look(ctx, remote, "", nil); failed == nil && !found.pending {
				if found.kept != before {
					d.Tell.Say("", "%s: it was confirmed all the same", d.Node)
					return Confirmed, nil
				}
				break
			}
		}
		var exit *host.ExitError
		answered := errors.As(failed, &exit) && exit.Code > 0
		if failed != nil && !told[answered] && ctx.Err() == nil {
			told[answered] = true
			ends, _ := ctx.Deadline()
			d.Tell.Warn("", "%v: not known to be undone yet: trying again, for up to %s", failed, time.Until(ends).Round(time.Second))
		}
		if ctx.Err() != nil {
			return Unknown, tell.Hint(errors.Join(why, fmt.Errorf("%s: it could not be seen that it was undone: %w", d.Node, errors.Join(failed, ctx.Err()))),
				"mend what is named, then, on its console: sh /var/lib/railiance/thunderbolt/pending/cancel.sh; its log is beside that")
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
	}
	d.Tell.Say("", "%s: it was undone, and the node is reached, %s later", d.Node, time.Since(began).Round(time.Second))
	return Undone, fmt.Errorf("%s: was undone: %w", d.Node, why)
}
