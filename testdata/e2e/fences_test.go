//go:build e2e

package e2e

import (
	"os/exec"
	"strings"
	"testing"
	"time"
)

// fence is one block of commands of a page.
type fence struct {
	heading string // the nearest above it
	line    int
	script  string
}

// fences are the ```sh blocks of a page, in order. Blocks of another language
// or none are for reading.
func fences(page string) []fence {
	var all []fence
	heading, open := "", ""
	for i, line := range strings.Split(page, "\n") {
		switch text := strings.TrimSpace(line); {
		case open == "" && strings.HasPrefix(text, "```"):
			if open = text; open == "```sh" {
				all = append(all, fence{heading: heading, line: i + 2})
			}
		case open != "" && text == "```":
			open = ""
		case open == "```sh":
			all[len(all)-1].script += line + "\n"
		case open == "" && strings.HasPrefix(line, "#"):
			heading = strings.TrimSpace(strings.TrimLeft(line, "#"))
		}
	}
	return all
}

// page runs the commands of a page in order, as typed, in one place. before
// makes the world what a heading assumes, once, before its first block.
func (w *world) page(name, text, dir string, before map[string]func(), after map[string]func()) {
	w.t.Helper()
	all := fences(text)
	if len(all) == 0 {
		w.t.Fatalf("%s has no commands: its headings or fences have changed", name)
	}
	called := map[string]bool{}
	for i, f := range all {
		if hook := before[f.heading]; hook != nil && !called[f.heading] {
			hook()
		}
		called[f.heading] = true
		begin := time.Now()
		cmd := exec.CommandContext(w.t.Context(), "sh", "-e", "-c", f.script)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		if err != nil {
			w.t.Fatalf("%s:%d, %s:\n%s\n%v\n%s", name, f.line, f.heading, f.script, err, out)
		}
		w.t.Logf("%s:%d, %s: %.1f s", name, f.line, f.heading, time.Since(begin).Seconds())
		if hook := after[f.heading]; hook != nil && (i+1 == len(all) || all[i+1].heading != f.heading) {
			hook()
		}
	}
	for _, hooks := range []map[string]func(){before, after} {
		for heading := range hooks {
			if !called[heading] {
				w.t.Errorf("%s has no commands under %q any more", name, heading)
			}
		}
	}
}

func TestFences(t *testing.T) {
	page := "# A\n```sh\none\n# no heading\n```\n    ```\ntext\n```text\nnot this\n```\n## B\n```sh\ntwo\n```\n"
	got := fences(strings.Replace(page, "    ```\n", "", 1))
	if len(got) != 2 || got[0] != (fence{"A", 3, "one\n# no heading\n"}) || got[1].heading != "B" || got[1].script != "two\n" {
		t.Errorf("%+v", got)
	}
}
