package tbdeploy

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/railiance/railiance/tools/internal/host"
	"github.com/railiance/railiance/tools/internal/tell"
)

// apply lets the node live by the files. What it could not do of them is an
// error, also where nothing is worse for it: a mend that did not take must not
// be confirmed.
func (d *Deployment) apply(ctx context.Context, remote host.Remote) error {
	word := "tb" + rand.Text()
	args := []string{word}
	for _, name := range d.names() {
		if name != "" {
			args = append(args, name)
		}
	}
	out, err := d.call(ctx, remote, "", "apply", args...)
	a := readApplied(out, word)
	for _, line := range a.complaints() {
		d.Tell.Warn("", "%s: %s", d.Node, line)
	}
	if err != nil {
		var ssh *host.SSHError
		if errors.As(err, &ssh) {
			err = fmt.Errorf("%w: %w", errCutOff, err)
		}
		return err
	}
	return a.failure(d.Plan.Node(d.Node).Interfaces, d.Rollback)
}

// applied is what a node told of how it lives by its files now.
type applied struct {
	unknown []string // interfaces that no file of the node tells of
	absent  []string // those that are not there
	ran     bool
	code    int      // of ifup
	errors  []string // of ifup
	fails   []string // what `ifquery --check` finds not to be as the files say
	ended   bool
}

// Exit statuses of ifup, and of timeout.
const (
	ifupPart    = 1
	ifupBusy    = 89
	ifupTooLong = 124
)

func readApplied(out, word string) applied {
	var a applied
	for line := range strings.Lines(out) {
		line = strings.TrimSpace(line)
		if told, is := strings.CutPrefix(line, word+" "); is {
			a.tell(strings.Fields(told))
			continue
		}
		what, failed := strings.CutSuffix(line, "[fail]")
		what = strings.Join(strings.Fields(what), " ")
		switch {
		case strings.HasPrefix(line, "error:"):
			a.errors = append(a.errors, strings.TrimSuffix(line, "."))
		case failed && !ofTheRoot(what) && !strings.HasPrefix(what, "iface "):
			a.fails = append(a.fails, what)
		}
	}
	return a
}

func (a *applied) tell(words []string) {
	switch {
	case len(words) == 1 && words[0] == "end":
		a.ended = true
	case len(words) == 2 && words[0] == "unknown":
		a.unknown = append(a.unknown, words[1])
	case len(words) == 2 && words[0] == "absent":
		a.absent = append(a.absent, words[1])
	case len(words) == 2 && words[0] == "ifup":
		code, err := strconv.Atoi(words[1])
		a.ran, a.code = err == nil, code
	}
}

// ofTheRoot tells whether the attribute is one that the root of the tree sets for
// all: on every other node it differs from the file.
func ofTheRoot(what string) bool {
	name, _, _ := strings.Cut(what, " ")
	return slices.Contains([]string{"bridge-fd", "bridge-hello", "bridge-maxage"}, name)
}

// complaints are what a person should see.
func (a applied) complaints() []string {
	var all []string
	for _, e := range a.errors {
		all = append(all, host.Printable(e))
	}
	for _, f := range a.fails {
		all = append(all, "is not as the file says: "+host.Printable(f))
	}
	return all
}

// failure says why the node does not live by its files; nil: it does, but for
// those of its interfaces that are not there: a cable that is out is no reason
// to leave the others unmended.
func (a applied) failure(interfaces []string, rollback bool) error {
	absent := slices.DeleteFunc(slices.Clone(a.absent), func(i string) bool { return !slices.Contains(interfaces, i) })
	var why []string
	// What was there before a first deployment need not know them.
	if len(a.unknown) > 0 && !rollback {
		why = append(why, "ifupdown2 does not find "+host.Printable(strings.Join(a.unknown, ", "))+" in any file")
	}
	part := a.code == ifupPart && len(a.errors) > 0 && !slices.ContainsFunc(a.errors, func(e string) bool { return !ofAbsent(e, interfaces) })
	if a.ran && a.code != 0 && !part {
		said := fmt.Sprintf("ifup failed (exit status %d)", a.code)
		if a.code == ifupTooLong {
			said = "ifup did not come to its end within 60 s"
		}
		why = append(why, strings.Join(append([]string{said}, printable(a.errors)...), ": "))
	}
	for _, i := range a.absent {
		if !slices.Contains(absent, i) {
			why = append(why, "there is no "+host.Printable(i)+" after ifup")
		}
	}
	for _, f := range a.fails {
		if !fewerPorts(f, interfaces, absent) {
			why = append(why, "it is not as the file says: "+host.Printable(f))
		}
	}
	switch {
	case len(why) == 0 && (!a.ended || !a.ran && len(a.unknown) == 0):
		return errors.New("what it answers makes no sense: it does not say how it went")
	case len(why) == 0:
		return nil
	}
	err := fmt.Errorf("the files were not taken over: %s", strings.Join(why, "; "))
	if a.code == ifupBusy {
		return tell.Hint(err, "another ifup or ifreload was at work on the node: run it again when that has ended")
	}
	return tell.Hint(err, "mend what is named, then run it again: all that was said is on the node, in /var/lib/railiance/thunderbolt/undone: said, checked")
}

// ofAbsent tells whether ifup complains of nothing but an interface of ours that
// is not there; that it still is not, the check says.
func ofAbsent(line string, interfaces []string) bool {
	_, port, is := strings.Cut(line, ": bridge port ")
	port, missing := strings.CutSuffix(port, " does not exist")
	return is && missing && slices.Contains(interfaces, port)
}

// fewerPorts tells whether what fails is the list of a bridge's members, and only
// for those that are not there, or for guests of the node.
func fewerPorts(what string, interfaces, absent []string) bool {
	words := strings.Fields(what)
	if words[0] != "bridge-ports" {
		return false
	}
	return !slices.ContainsFunc(interfaces, func(i string) bool { return !slices.Contains(words[1:], i) && !slices.Contains(absent, i) })
}

func printable(lines []string) []string {
	var all []string
	for _, l := range lines {
		all = append(all, host.Printable(l))
	}
	return all
}
