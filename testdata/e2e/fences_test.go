//go:build e2e

package e2e

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"os/exec"
	"slices"
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

// page is a page to be typed into one shell from its top to its end.
type page struct {
	name, text string
	dir        string            // where the person is
	skip       []string          // headings that are not for this case
	before     map[string]func() // makes the world what a heading assumes
	after      map[string]func() // looks at what its commands did
}

func (w *world) typed(p page) {
	w.t.Helper()
	all := fences(p.text)
	if len(all) == 0 {
		w.t.Fatalf("%s has no commands: its headings or fences have changed", p.name)
	}
	var headings []string
	sh := w.shell(p.dir)
	for i, f := range all {
		first := !slices.Contains(headings, f.heading)
		headings = append(headings, f.heading)
		if slices.Contains(p.skip, f.heading) {
			continue
		}
		if hook := p.before[f.heading]; hook != nil && first {
			hook()
		}
		begin := time.Now()
		if out, ok := sh.enter(f.script); !ok {
			w.t.Fatalf("%s:%d, %s:\n%s\nfailed:\n%s", p.name, f.line, f.heading, f.script, out)
		}
		w.t.Logf("%s:%d, %s: %.1f s", p.name, f.line, f.heading, time.Since(begin).Seconds())
		if hook := p.after[f.heading]; hook != nil && (i+1 == len(all) || all[i+1].heading != f.heading) {
			hook()
		}
	}
	named := slices.Concat(p.skip, slices.Collect(maps.Keys(p.before)), slices.Collect(maps.Keys(p.after)))
	for _, heading := range named {
		if !slices.Contains(headings, heading) {
			w.t.Errorf("%s has no commands under %q any more", p.name, heading)
		}
	}
}

// shell is a person's shell: what one block leaves set, the next one finds.
type shell struct {
	in    io.Writer
	lines *bufio.Reader
	w     *world
}

const prompt = "@@ next block @@"

func (w *world) shell(dir string) *shell {
	w.t.Helper()
	cmd := exec.CommandContext(w.t.Context(), "sh", "-e")
	cmd.Dir = dir
	in, err := cmd.StdinPipe()
	w.ok(err)
	out, err := cmd.StdoutPipe()
	w.ok(err)
	cmd.Stderr = cmd.Stdout
	w.ok(cmd.Start())
	w.t.Cleanup(func() {
		in.Close()
		// A shell whose last block failed has told so already.
		_ = cmd.Wait()
	})
	return &shell{in, bufio.NewReader(out), w}
}

// enter runs a block and returns what it printed, and whether it succeeded:
// the shell ends at the first command that fails. A command that reads its
// input finds nothing there, and not the blocks to come.
func (s *shell) enter(script string) (string, bool) {
	s.w.t.Helper()
	s.w.write("/mnt/block", script, 0o600)
	if _, err := fmt.Fprintf(s.in, ". /mnt/block </dev/null; echo; echo '%s'\n", prompt); err != nil {
		return err.Error(), false
	}
	var out strings.Builder
	for {
		line, err := s.lines.ReadString('\n')
		if err != nil {
			return out.String() + line, false
		}
		if strings.TrimSpace(line) == prompt {
			return out.String(), true
		}
		out.WriteString(line)
	}
}

func TestFences(t *testing.T) {
	page := "# A\n```sh\none\n# no heading\n```\n    ```\ntext\n```text\nnot this\n```\n## B\n```sh\ntwo\n```\n"
	got := fences(strings.Replace(page, "    ```\n", "", 1))
	if len(got) != 2 || got[0] != (fence{"A", 3, "one\n# no heading\n"}) || got[1].heading != "B" || got[1].script != "two\n" {
		t.Errorf("%+v", got)
	}
}
