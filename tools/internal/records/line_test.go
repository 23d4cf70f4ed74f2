package records

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestAppendLine(t *testing.T) {
	for name, test := range map[string]struct{ before, after string }{
		"no file":       {"", "## Fixes\n\n- done\n"},
		"no section":    {"# Changelog\n", "# Changelog\n\n## Fixes\n\n- done\n"},
		"end of page":   {"# C\n\n### Fixes\n\n- one\n", "# C\n\n### Fixes\n\n- one\n- done\n"},
		"no newline":    {"## Fixes\n\n- one", "## Fixes\n\n- one\n- done\n"},
		"in between":    {"## Fixes ##\n\n- one\n  more\n\n\n## Other\n\n- x\n", "## Fixes ##\n\n- one\n  more\n- done\n\n\n## Other\n\n- x\n"},
		"empty section": {"## Fixes\n\n## Other\n", "## Fixes\n\n- done\n\n## Other\n"},
		"only heading":  {"## Fixes", "## Fixes\n\n- done\n"},
		"in a fence":    {"```\n## Fixes\n```\n\n## Fixes\n\n- one\n", "```\n## Fixes\n```\n\n## Fixes\n\n- one\n- done\n"},
		"fence within":  {"## Fixes\n\n~~~\n# no heading\n~~~\n", "## Fixes\n\n~~~\n# no heading\n~~~\n- done\n"},
		"the first":     {"## Fixes\n\n- a\n\n## Fixes\n\n- b\n", "## Fixes\n\n- a\n- done\n\n## Fixes\n\n- b\n"},
		"windows":       {"## Fixes\r\n\r\n- one\r\n", "## Fixes\r\n\r\n- one\r\n- done\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "CHANGELOG.md")
			if test.before != "" {
				if err := os.WriteFile(path, []byte(test.before), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if err := AppendLine(t.Context(), path, "Fixes", "done"); err != nil {
				t.Fatal(err)
			}
			if got := content(t, path); got != test.after {
				t.Errorf("%q\nwant %q", got, test.after)
			}
		})
	}
}

func TestAppendLineRefuses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "CHANGELOG.md")
	for _, test := range [][2]string{{"", "x"}, {"S", " \n "}, {"# S", "x"}} {
		if err := AppendLine(t.Context(), path, test[0], test[1]); err == nil {
			t.Errorf("%q was taken", test)
		}
	}
	if err := os.WriteFile(path, []byte("\xff"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := AppendLine(t.Context(), path, "S", "x"); err == nil || content(t, path) != "\xff" {
		t.Errorf("%v", err)
	}
}

// A guest's name cannot become a heading, a link, an image, HTML or a second
// line.
func TestPlain(t *testing.T) {
	for in, want := range map[string]string{
		"backed up 3 guests (ebony/101): 2.1 GiB": "backed up 3 guests (ebony/101): 2.1 GiB",
		"one\n\n# two\r\n- three":                 `one # two\ufffd - three`,
		"\x1b[31mred":                             "\ufffd\\[31mred",
		"# heading":                               `\# heading`,
		"- list":                                  `\- list`,
		"1. list":                                 `1\. list`,
		"---":                                     `\---`,
		"`code` **bold** _it_ ~~no~~":             "\\`code\\` \\*\\*bold\\*\\* \\_it\\_ \\~\\~no\\~\\~",
		"![x](javascript:y) <img src=x> &lt;":     `!\[x\](javascript:y) \<img src=x\> \&lt;`,
		`\`:                                       `\\`,
	} {
		want = strings.ReplaceAll(want, `\ufffd`, "\ufffd")
		if got := plain(in); got != want {
			t.Errorf("%q is %q, want %q", in, got, want)
		}
	}
	if got := []rune(plain(strings.Repeat("é", 10000))); len(got) != lineMax+1 {
		t.Errorf("%d runes", len(got))
	}
}
