// Package tbissue keeps the issues of a layer's network: a Markdown file for
// each fault that was found, opened, added to and closed by what checks see.
//
// The one thing to know: a file belongs to people, who write into it. Nothing
// but the five lines at its top is read, and what is written is put into its
// section; all else stays as it is.
package tbissue

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Issue is what the top of an issue's file says.
type Issue struct {
	ID      string   `json:"id"`
	Summary string   `json:"summary"`
	Status  string   `json:"status"` // open or closed
	Opened  string   `json:"opened"`
	Closed  string   `json:"closed,omitempty"`
	Fault   string   `json:"fault"` // thunderbolt.Fault.ID
	Nodes   []string `json:"nodes"` // that a check must see before it may be closed
}

// The states of an issue.
const (
	Open   = "open"
	Closed = "closed"
)

func idPattern() *regexp.Regexp { return regexp.MustCompile(`ISSUE-([0-9]{4})-([0-9]{3,6})`) }

// ValidID tells whether id is the name of an issue, and so of a file.
func ValidID(id string) bool { return idPattern().FindString(id) == id && id != "" }

// read is what the text of an issue says at its top.
func read(id, text string) (Issue, error) {
	issue := Issue{ID: id}
	top, _, _ := strings.Cut(text, "\n## ")
	for line := range strings.Lines(top) {
		line = strings.TrimSpace(line)
		if title, is := strings.CutPrefix(line, "# "+id+":"); is {
			issue.Summary = strings.TrimSpace(title)
		}
		key, value, is := strings.Cut(strings.TrimPrefix(line, "- "), ": ")
		if !is || !strings.HasPrefix(line, "- ") {
			continue
		}
		value = strings.TrimSpace(value)
		switch key {
		case "Status":
			issue.Status = value
		case "Opened":
			issue.Opened = value
		case "Closed":
			issue.Closed = value
		case "Fault":
			issue.Fault = strings.Trim(value, "`")
		case "Nodes":
			issue.Nodes = strings.FieldsFunc(value, func(r rune) bool { return r == ',' || r == ' ' })
		}
	}
	if issue.Status != Open && issue.Status != Closed || issue.Fault == "" || len(issue.Nodes) == 0 {
		return issue, fmt.Errorf("%s: its top must have the lines Status (%s or %s), Fault and Nodes", id, Open, Closed)
	}
	return issue, nil
}

// put puts a block to the end of a section. One that is missing is put at the
// end of the text.
func put(text, section, block string) string {
	lines := strings.SplitAfter(strings.TrimRight(text, "\n")+"\n", "\n")
	at := slices.IndexFunc(lines, func(l string) bool { return strings.TrimSpace(l) == "## "+section })
	if at < 0 {
		return strings.Join(lines, "") + "\n## " + section + "\n\n" + block + "\n"
	}
	end, fence := at+1, false
	for ; end < len(lines); end++ {
		if strings.HasPrefix(lines[end], "```") {
			fence = !fence
		}
		if !fence && strings.HasPrefix(lines[end], "## ") {
			break
		}
	}
	before := strings.TrimRight(strings.Join(lines[:end], ""), "\n")
	after := strings.Join(lines[end:], "")
	if strings.TrimSpace(after) != "" {
		after = "\n" + after
	}
	return before + "\n\n" + block + "\n" + after
}

// count is how many blocks of evidence there are.
func count(text string) int { return strings.Count(text, "\n### Seen ") }

// closed replaces the status that read reads, however it is spaced, and no line
// of what people wrote below.
func closed(text string, now time.Time) string {
	top, rest, cut := strings.Cut(text, "\n## ")
	top = regexp.MustCompile(`(?m)^[ \t]*- Status: [ \t]*open[ \t\r]*$`).ReplaceAllLiteralString(top, "- Status: closed\n- Closed: "+now.Format(time.RFC3339))
	if cut {
		rest = "\n## " + rest
	}
	return top + rest
}

// fenced is text as a block that shows as it is, whatever it holds.
func fenced(text string) string {
	return "```text\n" + strings.ReplaceAll(strings.TrimRight(text, "\n"), "```", "'''") + "\n```"
}

// plain is text of a node as one line that Markdown leaves alone.
func plain(s string) string {
	return regexp.MustCompile("[\\\\`*_\\[\\]<>|&]").ReplaceAllString(strings.Join(strings.Fields(s), " "), `\$0`)
}
