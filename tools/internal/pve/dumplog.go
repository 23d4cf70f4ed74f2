package pve

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/railiance/railiance/tools/internal/host"
	"github.com/railiance/railiance/tools/internal/tell"
)

// judge says what is wrong with a dump, from vzdump's log, the bytes that came
// and how it ended.
func judge(g Guest, log string, sent int64, ended error) error {
	var exit *host.ExitError
	if ended != nil && !errors.As(ended, &exit) {
		return ended // ssh, or we, ended it
	}
	if ended != nil {
		return refusal(g, log, exit)
	}
	if sent == 0 {
		return tell.Hint(ErrNothing, "it does so for a guest that is on another node: has %d moved?", g.ID)
	}
	for line := range strings.Lines(log) {
		if strings.HasPrefix(line, "cp: error writing ") {
			continue // vzdump keeps a copy of its log, and we keep another
		}
		// The archive is whole then, but for the configuration in it.
		if strings.Contains(line, "No space left on device") || strings.Contains(line, "unable to close filehandle") {
			return tell.Hint(fmt.Errorf("ended well, but: %s", word(strings.TrimSpace(line))), "make room in the folder for temporary files of %s", g.Node)
		}
	}
	if g.Type != CT {
		return nil
	}
	// A container's tar that was cut off can end well too.
	m := regexp.MustCompile(`(?m)^INFO: Total bytes written: ([0-9]{1,18}) `).FindAllStringSubmatch(log, -1)
	if len(m) == 0 {
		return errors.New("ended well, but tar did not: it tells of no bytes written")
	}
	if n, _ := strconv.ParseInt(m[len(m)-1][1], 10, 64); n != sent {
		return fmt.Errorf("ended well, but tar wrote %d bytes, and %d came", n, sent)
	}
	return nil
}

// refusal is why vzdump failed, in its own words.
func refusal(g Guest, log string, exit *host.ExitError) error {
	why := ""
	for line := range strings.Lines(log) {
		line = strings.TrimSpace(line)
		if after, found := strings.CutPrefix(line, fmt.Sprintf("ERROR: Backup of VM %d failed - ", g.ID)); found {
			why = bothEnds(after)
		}
	}
	switch {
	case why == "":
		shown := *exit
		shown.Name = "ended"
		return &shown
	case strings.Contains(why, "is locked"):
		return tell.Hint(fmt.Errorf("%w: %s", ErrLocked, why),
			"if nothing holds it any more (look for vzdump and for tasks on %s): %s unlock %d", g.Node, program(g.Type), g.ID)
	case strings.HasPrefix(why, "unable to find VM"):
		return fmt.Errorf("%w: %s", ErrNoGuest, why)
	}
	return errors.New(why)
}

// bothEnds is word of a message that may be a long command, and then how it
// failed.
func bothEnds(s string) string {
	s = host.Printable(strings.ToValidUTF8(s, "�"))
	if len(s) <= 2*wordMax {
		return s
	}
	return word(s[:wordMax/2]) + " … " + strings.ToValidUTF8(s[len(s)-wordMax:], "")
}

// Warnings are what vzdump's log complains about, each once, though the dump
// may be good.
func Warnings(log string) []string {
	var all []string
	for line := range strings.Lines(log) {
		line = strings.TrimSpace(line)
		warns := strings.HasPrefix(line, "WARN: ") || strings.HasPrefix(line, "Warning: ") || strings.HasPrefix(line, "ERROR: ") ||
			strings.HasPrefix(line, "railiance: ") ||
			// Not so to vzdump: a container that is copied while it runs, for want
			// of a snapshot, and a guest whose file systems were not asked to settle.
			strings.HasPrefix(line, "INFO: mode failure") || strings.HasPrefix(line, "INFO: ") && strings.Contains(line, "agent configured but not running")
		if warns && find(all, func(s string) bool { return s == word(line) }) == nil && len(all) < 100 {
			all = append(all, word(line))
		}
	}
	return all
}

// validStorage says whether s can be the name of a storage.
func validStorage(s string) bool {
	return len(s) <= 100 && regexp.MustCompile(`^[A-Za-z](?:[A-Za-z0-9._-]*[A-Za-z0-9])?$`).MatchString(s)
}
