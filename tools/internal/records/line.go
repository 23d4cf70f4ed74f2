package records

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/railiance/railiance/tools/internal/host"
)

const (
	pageMax = 4 << 20 // bytes of a CHANGELOG.md
	lineMax = 500     // runes of a line in it
)

// AppendLine adds a line to the end of a section of the page at path, under a
// lock and all at once; everything else stays to the byte. section is the text
// of a heading, of any level; one that is missing is put at the end of the page.
// text is plain: whatever Markdown, HTML or a terminal would act on in it shows
// as itself.
func AppendLine(ctx context.Context, path, section, text string) error {
	section = strings.TrimSpace(host.Printable(section))
	if section == "" || strings.HasPrefix(section, "#") || strings.TrimSpace(text) == "" {
		return errors.New("changelog: a line needs a section and a text")
	}
	return change(ctx, path, pageMax, func(page []byte) ([]byte, error) {
		if !utf8.Valid(page) {
			return nil, fmt.Errorf("changelog: %s: is not UTF-8, and was left as it is", path)
		}
		return insert(page, section, "- "+plain(text)), nil
	})
}

// plain is text as one line of Markdown that shows it as it is.
func plain(text string) string {
	text = cut(strings.Join(strings.Fields(host.Printable(text)), " "), lineMax)
	text = regexp.MustCompile("[\\\\`*_\\[\\]<>|~&]").ReplaceAllString(text, `\$0`)
	// These act only at the beginning, where they make a list, a heading or a
	// rule of it.
	text = regexp.MustCompile(`^([0-9]*)([-+#=.)])`).ReplaceAllString(text, `$1\$2`)
	return text
}

// insert puts line after the last line of the section that is not blank.
func insert(page []byte, section, line string) []byte {
	newline := "\n"
	if bytes.Contains(page, []byte("\r\n")) {
		newline = "\r\n"
	}
	end, found, fence := 0, false, ""
	heading := regexp.MustCompile(`^ {0,3}#{1,6}[ \t]+(.*?)[ \t]*#*[ \t]*$`)
	at := 0
	isHeading := false
	for _, l := range strings.SplitAfter(string(page), "\n") {
		trimmed := strings.TrimRight(l, "\r\n")
		at += len(l)
		if mark := regexp.MustCompile("^ {0,3}(```+|~~~+)").FindStringSubmatch(trimmed); mark != nil {
			switch {
			case fence == "":
				fence = mark[1]
			case strings.HasPrefix(mark[1], fence):
				fence = ""
			}
		} else if m := heading.FindStringSubmatch(trimmed); m != nil && fence == "" {
			if found {
				break
			}
			if m[1] == section {
				found, end, isHeading = true, at, true
			}
			continue
		}
		if found && strings.TrimSpace(trimmed) != "" {
			end, isHeading = at, false
		}
	}
	added := line + newline
	if !found {
		end = len(page)
		added = "## " + section + newline + newline + added
		if len(bytes.TrimSpace(page)) > 0 {
			added = newline + added
		}
	} else if isHeading {
		added = newline + added
	}
	if end > 0 && page[end-1] != '\n' {
		added = newline + added
	}
	return append(append(append([]byte{}, page[:end]...), added...), page[end:]...)
}
