package records

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/railiance/railiance/tools/internal/mustrun"
	"github.com/railiance/railiance/tools/internal/state"
)

// The test binary is also a program that appends, so that several processes can
// do so at once, and be killed.
func TestMain(m *testing.M) {
	path := os.Getenv("APPEND_TO")
	if path == "" {
		os.Exit(m.Run())
	}
	for range 10 {
		if _, err := Append(context.Background(), path, entry(fmt.Sprintf("of process %d", os.Getpid()))); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	os.Exit(0)
}

func entry(summary string) Entry {
	at := time.Date(2026, 11, 21, 2, 0, 0, 0, time.UTC)
	return Entry{Timestamp: at, Project: "backups", Summary: summary, Details: "3 guests", AffectedResources: []string{"ebony/101"}}
}

func fresh(t *testing.T, entries int) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "madagascar-changelog.json")
	for i := range entries {
		if _, err := Append(t.Context(), path, entry(fmt.Sprintf("run %d", i+1))); err != nil {
			t.Fatal(err)
		}
	}
	return path
}

func content(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestAppend(t *testing.T) {
	path := fresh(t, 2)
	before := content(t, path)
	e, err := Append(t.Context(), path, entry("run 3"))
	if err != nil {
		t.Fatal(err)
	}
	after := content(t, path)
	// What was there stays to the byte.
	if !strings.HasPrefix(after, strings.TrimSuffix(before, "\n]\n")+",\n  {") {
		t.Errorf("%s\nthen %s", before, after)
	}
	r, err := Verify(path)
	if err != nil || r.Entries != 3 || r.Unchained != 0 || r.LastID != "CHG-000003" || len(r.Head) != 64 || e.ID != r.LastID {
		t.Errorf("%+v, %v", r, err)
	}
	var all []Entry
	if err := json.Unmarshal([]byte(after), &all); err != nil {
		t.Fatal(err)
	}
	if all[2].Summary != "run 3" || all[2].Previous != e.Previous || all[0].Previous != "" || len(all[1].Previous) != 64 {
		t.Errorf("%+v", all)
	}
	if _, err := Append(t.Context(), path, Entry{Summary: "x"}); err == nil {
		t.Error("an entry without time and project")
	}
	if _, err := Verify(path + ".none"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v", err)
	}
}

// The hash is one that people can make by hand, of what jq -cS prints less its
// newline.
func TestCanonical(t *testing.T) {
	path := fresh(t, 1)
	const want = `{"affectedResources":["ebony/101"],"details":"3 guests","id":"CHG-000001","previous":"","project":"backups","summary":"run 1","timestamp":"2026-11-21T02:00:00Z"}`
	out, err := exec.CommandContext(t.Context(), "sh", "-c", `printf %s "$1" | sha256sum`, "sh", want).Output()
	if err != nil {
		t.Fatal(err)
	}
	r, err := Verify(path)
	if err != nil || !strings.HasPrefix(string(out), r.Head+" ") {
		t.Errorf("%+v, %v, want %s", r, err, out)
	}
}

// Texts from outside end up in front of people.
func TestHostileEntry(t *testing.T) {
	path := fresh(t, 0)
	e := entry("guest \x1b[31m\"$(x)\"\nnew\u202eline </script>")
	e.Details = "one\ntwo\u0085\x9b1m" + strings.Repeat("x", 2*detailsMax)
	e.AffectedResources = make([]string, affectsMax+5)
	e.AffectedResources[0] = strings.Repeat("é", 10000)
	if _, err := Append(t.Context(), path, e); err != nil {
		t.Fatal(err)
	}
	text := content(t, path)
	if strings.ContainsAny(text, "\x1b\u0085\u202e\x7f") || len(text) > 100000 {
		t.Errorf("%.300q", text)
	}
	var all []Entry
	if err := json.Unmarshal([]byte(text), &all); err != nil {
		t.Fatal(err)
	}
	if want := "guest \ufffd[31m\"$(x)\" new\ufffdline </script>"; all[0].Summary != want {
		t.Errorf("%q, want %q", all[0].Summary, want)
	}
	if !strings.HasPrefix(all[0].Details, "one\ntwo\ufffd") || all[0].AffectedResources[affectsMax] != "and 5 more" {
		t.Errorf("%.20q, %q", all[0].Details, all[0].AffectedResources[affectsMax])
	}
}

// A changelog from before there was a chain goes on as one.
func TestOlder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c.json")
	older := `[{"id": 7, "summary": "by hand"}, {"id":"2025-01", "extra": {"kept": 1.50}}]`
	if err := os.WriteFile(path, []byte(older), 0o640); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := Append(t.Context(), path, entry("ours")); err != nil {
			t.Fatal(err)
		}
	}
	r, err := Verify(path)
	if err != nil || r.Entries != 4 || r.Unchained != 2 || r.LastID != "CHG-000002" {
		t.Errorf("%+v, %v", r, err)
	}
	if !strings.HasPrefix(content(t, path), strings.TrimSuffix(older, "]")) {
		t.Errorf("the older entries were touched: %s", content(t, path))
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}

// What is damaged is told, with its place, and stays for a person to look at.
func TestDamaged(t *testing.T) {
	whole := content(t, fresh(t, 3))
	swap := func(old, new string) string {
		if !strings.Contains(whole, old) {
			t.Fatalf("no %q in %s", old, whole)
		}
		return strings.Replace(whole, old, new, 1)
	}
	second := whole[strings.Index(whole, "  {\n    \"id\": \"CHG-000002\""):strings.Index(whole, "  {\n    \"id\": \"CHG-000003\"")]
	for name, test := range map[string]struct{ text, want string }{
		"empty":              {"", "it is no JSON array"},
		"zeros":              {strings.Repeat("\x00", 4096), "it is no JSON array"},
		"binary":             {"[\xff]", "it is not UTF-8"},
		"an object":          {"{}", "it is no JSON array"},
		"torn":               {whole[:len(whole)-30], "it ends too early"},
		"torn at the end":    {strings.TrimSuffix(whole, "]\n"), "it ends too early"},
		"torn, then another": {whole[:len(whole)/2] + whole, "entry 2: "},
		"two in one":         {whole + whole, "there is more after the end"},
		"a word changed":     {swap("run 1", "run 9"), "entry 2: its previous is not the hash"},
		"one taken out":      {strings.Replace(whole, second, "", 1), "entry 2: its previous is not the hash"},
		"the first gone":     {"[\n" + second + strings.SplitAfter(whole, second)[1], "entry 1: its previous is not the hash"},
		"a number twice":     {swap("CHG-000003", "CHG-000002"), "its id CHG-000002 is there twice"},
		"a number back":      {`[{"id": "CHG-000002"}, {"id": "CHG-000001"}]`, "entry 2: its id CHG-000001 comes after CHG-000002"},
		"no id":              {`[{"summary": "x"}]`, "line 1, entry 1: it has no id"},
		"no object":          {`[1]`, "it is no object"},
		"a key twice":        {`[{"id": 1, "a": {"b": 1, "b": 2}}]`, "its key \"b\" is there twice"},
		"chain left":         {strings.TrimSuffix(whole, "\n]\n") + `, {"id": "x"}]`, "it has no previous"},
		"deep":               {`[{"id": 1, "a": ` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + `}]`, "nested deeper"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "c.json")
			if err := os.WriteFile(path, []byte(test.text), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := Append(t.Context(), path, entry("next"))
			if !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%v, want %s", err, test.want)
			}
			if _, err := Verify(path); !errors.Is(err, ErrDamaged) {
				t.Errorf("verify: %v", err)
			}
			if content(t, path) != test.text {
				t.Error("it was written to")
			}
		})
	}
}

// Entries that are missing at the end leave a whole chain, with another head.
func TestHead(t *testing.T) {
	path := fresh(t, 2)
	before, err := Verify(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Append(t.Context(), path, entry("one more")); err != nil {
		t.Fatal(err)
	}
	if after, err := Verify(path); err != nil || after.Head == before.Head {
		t.Errorf("%+v, %+v, %v", before, after, err)
	}
}

func TestTooLarge(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c.json")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(f.Truncate(1<<30), f.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := Append(t.Context(), path, entry("x")); err == nil || !strings.Contains(err.Error(), "has more than 32.0 MiB") {
		t.Errorf("%v", err)
	}
}

func appender(t *testing.T, path string, around ...string) *exec.Cmd {
	t.Helper()
	args := append(around, os.Args[0])
	c := exec.Command(args[0], args[1:]...)
	c.Env = append(os.Environ(), "APPEND_TO="+path)
	return c
}

// Processes that append at once wait for each other: no entry is lost.
func TestProcesses(t *testing.T) {
	path := fresh(t, 0)
	var all []*exec.Cmd
	for range 4 {
		c := appender(t, path)
		c.Stderr = os.Stderr
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		all = append(all, c)
	}
	for _, c := range all {
		if err := c.Wait(); err != nil {
			t.Error(err)
		}
	}
	if r, err := Verify(path); err != nil || r.Entries != 40 || r.LastID != "CHG-000040" {
		t.Errorf("%+v, %v", r, err)
	}
}

// Killed after the draft was written and before it takes the place: the
// changelog is what it was, and the next run sweeps and goes on.
func TestKilled(t *testing.T) {
	strace := mustrun.Command(t, "strace")
	path := fresh(t, 2)
	before := content(t, path)
	const renames = "rename,renameat,renameat2"
	c := appender(t, path, strace, "-f", "-qq", "-o", "/dev/null", "-e", "trace="+renames, "-e", "inject="+renames+":error=EINTR:signal=KILL")
	if out, err := c.CombinedOutput(); err == nil || strings.Contains(string(out), "ptrace") {
		t.Fatalf("it was not killed: %v, %s", err, out)
	}
	if content(t, path) != before {
		t.Error("the changelog was changed")
	}
	if drafts, err := filepath.Glob(filepath.Join(filepath.Dir(path), ".draft-*")); err != nil || len(drafts) != 1 {
		t.Fatalf("%q, %v: this test does not kill where it should", drafts, err)
	}
	if _, err := Append(t.Context(), path, entry("next")); err != nil {
		t.Fatal(err)
	}
	if drafts, err := filepath.Glob(filepath.Join(filepath.Dir(path), ".draft-*")); err != nil || len(drafts) != 0 {
		t.Errorf("%q, %v", drafts, err)
	}
	if r, err := Verify(path); err != nil || r.Entries != 3 {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestHeld(t *testing.T) {
	path := fresh(t, 1)
	lock, err := state.Acquire(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Unlock()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	if _, err := Append(ctx, path, entry("x")); !errors.Is(err, state.ErrHeld) {
		t.Errorf("%v", err)
	}
}

func TestLinks(t *testing.T) {
	path := fresh(t, 1)
	link := filepath.Join(t.TempDir(), "link.json")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	if _, err := Append(t.Context(), link, entry("x")); err != nil {
		t.Fatal(err)
	}
	if r, err := Verify(path); err != nil || r.Entries != 2 {
		t.Errorf("%+v, %v", r, err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if _, err := Append(t.Context(), link, entry("x")); err == nil {
		t.Error("the link leads nowhere, and was written")
	}
}

func FuzzParse(f *testing.F) {
	f.Add(`[{"id": "CHG-000001", "previous": ""}]`)
	f.Add(`[{"id": 1}, {"id": 2, "a": [[]]}]`)
	f.Fuzz(func(t *testing.T, text string) {
		c, err := parse([]byte(text))
		if err != nil {
			if !errors.Is(err, ErrDamaged) || strings.ContainsAny(err.Error(), "\x1b\n") {
				t.Errorf("%q", err)
			}
			return
		}
		// What is whole can be appended to, and is whole then.
		e := entry("next")
		e.ID, e.Previous = fmt.Sprintf("%s%06d", idPrefix, c.last+1), c.head
		next, err := c.with(e)
		if err != nil {
			t.Fatal(err)
		}
		if after, err := parse(next); err != nil || after.entries != c.entries+1 {
			t.Errorf("%v: %s", err, next)
		}
	})
}
