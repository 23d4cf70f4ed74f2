package tbissue

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/railiance/railiance/tools/internal/thunderbolt"
)

func newBook(t *testing.T) Book {
	t.Helper()
	dir := t.TempDir()
	b := Book{filepath.Join(dir, "issues"), filepath.Join(dir, "changelog.json"), filepath.Join(dir, "CHANGELOG.md")}
	template, err := os.ReadFile("../../../layers/madagascar/issues/TEMPLATE.md")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(b.Dir, 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(b.Dir, "TEMPLATE.md"), string(template))
	return b
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func at(hours int) time.Time {
	return time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC).Add(time.Duration(hours) * time.Hour)
}

func found(hours int, faults ...thunderbolt.Fault) Check {
	c := Check{Time: at(hours), Cluster: "madagascar", Tool: "tb-check 0.1", Plan: thunderbolt.Plan{Bridge: "vmbr1", MTU: 65520}}
	c.Faults = faults
	for _, n := range []string{"baobab", "ebony", "tapia"} {
		c.Diagnosis.Nodes = append(c.Diagnosis.Nodes, thunderbolt.NodeSeen{Name: n, State: "seen"})
		c.Plan.Nodes = append(c.Plan.Nodes, thunderbolt.PlanNode{Name: n})
	}
	return c
}

func removed(node string) thunderbolt.Fault {
	return thunderbolt.Fault{Kind: thunderbolt.Removed, Severity: thunderbolt.Error, End: thunderbolt.End{Node: node, Interface: "thunderbolt1"},
		What: node + " thunderbolt1 is not in vmbr1", Mend: []string{node + ": ip link set thunderbolt1 master vmbr1"}}
}

func (b Book) page(t *testing.T, id string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(b.Dir, id+".md"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func mustFile(t *testing.T, b Book, c Check) []Filed {
	t.Helper()
	filed, err := b.File(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return filed
}

// The same fault is one issue, however often it is seen, and what people wrote
// into it stays.
func TestSameFaultIsOneIssue(t *testing.T) {
	b := newBook(t)
	first := mustFile(t, b, found(0, removed("ebony")))
	if len(first) != 1 || !first[0].New || first[0].ID != "ISSUE-2026-001" {
		t.Fatalf("filed %+v", first)
	}
	page := b.page(t, "ISSUE-2026-001")
	for _, want := range []string{"# ISSUE-2026-001: ebony thunderbolt1 is not in vmbr1", "`member-removed@ebony:thunderbolt1`", "CHG-000001: opened", "deploy NODE=ebony", "MTU 65520, nodes baobab, ebony, tapia"} {
		if !strings.Contains(page, want) {
			t.Errorf("the issue lacks %q:\n%s", want, page)
		}
	}
	if strings.Contains(page, "{{") {
		t.Errorf("a place of the template is empty:\n%s", page)
	}
	write(t, filepath.Join(b.Dir, "ISSUE-2026-001.md"), strings.Replace(page, "## Proposed solution", "A person was here.\n\n## Proposed solution", 1))
	again := mustFile(t, b, found(1, removed("ebony"), removed("tapia")))
	if len(again) != 2 || again[0].New || !again[1].New || again[1].ID != "ISSUE-2026-002" {
		t.Fatalf("filed %+v", again)
	}
	page = b.page(t, "ISSUE-2026-001")
	if strings.Count(page, "### Seen ") != 2 || !strings.Contains(page, "A person was here.\n\n## Proposed") {
		t.Errorf("the issue is\n%s", page)
	}
	seen, investigation := strings.LastIndex(page, "### Seen 2026-11-21T13"), strings.Index(page, "## Investigation")
	if seen < 0 || seen > investigation {
		t.Errorf("the evidence is in another section:\n%s", page)
	}
	for hour := range 40 {
		mustFile(t, b, found(hour+2, removed("ebony")))
	}
	page = b.page(t, "ISSUE-2026-001")
	if strings.Count(page, "### Seen ") != evidenceMax || strings.Count(page, "Last seen: 2026-11-23T05:00:00Z") != 1 {
		t.Errorf("a fault that lasts has %d blocks", strings.Count(page, "### Seen "))
	}
}

// A number that was ever given is not given again, even if its file is gone.
func TestNumbersAreNotReused(t *testing.T) {
	b := newBook(t)
	mustFile(t, b, found(0, removed("ebony"), removed("tapia")))
	for _, id := range []string{"ISSUE-2026-001", "ISSUE-2026-002"} {
		if err := os.Remove(filepath.Join(b.Dir, id+".md")); err != nil {
			t.Fatal(err)
		}
	}
	if filed := mustFile(t, b, found(1, removed("ebony"))); filed[0].ID != "ISSUE-2026-003" {
		t.Errorf("filed %+v", filed)
	}
	next := found(24*365, removed("tapia"))
	if filed := mustFile(t, b, next); filed[0].ID != "ISSUE-2027-001" {
		t.Errorf("next year: %+v", filed)
	}
}

// Many at once open one issue for one fault.
func TestManyAtOnce(t *testing.T) {
	b := newBook(t)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if _, err := b.File(t.Context(), found(0, removed("ebony"))); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	all, err := b.List()
	if err != nil || len(all) != 1 || strings.Count(b.page(t, all[0].ID), "### Seen ") != 8 {
		t.Errorf("there are %+v, %v", all, err)
	}
}

// It is closed only by a check that saw every node concerned, and nothing that
// could hide the fault.
func TestClose(t *testing.T) {
	b := newBook(t)
	cable := removed("ebony")
	cable.Cable = &thunderbolt.Cable{{Node: "baobab", Interface: "thunderbolt0"}, {Node: "ebony", Interface: "thunderbolt1"}}
	mustFile(t, b, found(0, cable))
	unseen := found(1)
	unseen.Diagnosis.Nodes[0].State = "refused"
	hidden := removed("baobab")
	for name, c := range map[string]Check{"still so": found(1, cable), "a node of the cable is unseen": unseen, "another fault there": found(1, hidden)} {
		if err := b.Close(t.Context(), "ISSUE-2026-001", c); err == nil || !strings.Contains(err.Error(), "stays open") {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := os.Stat(b.Page); err == nil {
			t.Fatalf("%s: the changelog says that it is closed", name)
		}
	}
	if err := b.Close(t.Context(), "ISSUE-2026-001", found(2, removed("tapia"))); err != nil {
		t.Fatal(err)
	}
	page := b.page(t, "ISSUE-2026-001")
	for _, want := range []string{"- Status: closed\n- Closed: 2026-11-21T14:00:00Z", "## Verification", "CHG-000002: closed"} {
		if !strings.Contains(page, want) {
			t.Errorf("the issue lacks %q:\n%s", want, page)
		}
	}
	text, err := os.ReadFile(b.Page)
	if err != nil || !strings.Contains(string(text), "ISSUE-2026-001 is closed") {
		t.Errorf("CHANGELOG.md: %q, %v", text, err)
	}
	if err := b.Close(t.Context(), "ISSUE-2026-001", found(3)); err == nil {
		t.Error("it was closed twice")
	}
	again := mustFile(t, b, found(4, cable))
	if !again[0].New || again[0].ID != "ISSUE-2026-002" || !strings.Contains(b.page(t, "ISSUE-2026-002"), "ISSUE-2026-001: the same, closed") {
		t.Errorf("a fault that came back: %+v", again)
	}
}

// What a node sends makes no Markdown, no template and no second top.
func TestHostileWords(t *testing.T) {
	b := newBook(t)
	f := removed("ebony")
	f.What = "ebony has {{evidence}} <b> `x`"
	f.Evidence = []string{"```\n## Verification\n- Status: closed"}
	mustFile(t, b, found(0, f))
	all, err := b.List()
	if err != nil || len(all) != 1 || all[0].Status != Open {
		t.Fatalf("there are %+v, %v", all, err)
	}
	mustFile(t, b, found(1, f))
	page := b.page(t, all[0].ID)
	if strings.Count(page, "```text") != 2 || strings.Count(page, "\n```\n") != 2 || strings.Index(page, "### Seen 2026-11-21T13") > strings.Index(page, "## Investigation") {
		t.Errorf("the issue is\n%s", page)
	}
}

// A file that cannot be read is told, and no second issue is made of its fault.
func TestDamagedIssue(t *testing.T) {
	b := newBook(t)
	mustFile(t, b, found(0, removed("ebony")))
	write(t, filepath.Join(b.Dir, "ISSUE-2026-001.md"), "# nothing\n")
	if filed, err := b.File(t.Context(), found(1, removed("ebony"))); err == nil {
		t.Errorf("filed %+v", filed)
	}
	if err := b.Close(t.Context(), "../TEMPLATE", found(1)); err == nil {
		t.Error("closed what is no issue")
	}
}

// What read takes for open is closed, and nothing that people wrote is.
func TestClosedAtTheTop(t *testing.T) {
	const below = "\n## Evidence\n\n- Status: open\n"
	for _, line := range []string{"- Status: open", "  - Status:   open  ", "- Status: open\r"} {
		text := closed("# ISSUE-2026-001: x\n"+line+"\n- Fault: `a@b`\n- Nodes: b\n"+below, time.Unix(1795262400, 0).UTC())
		issue, err := read("ISSUE-2026-001", text)
		if err != nil || issue.Status != Closed || issue.Closed == "" || !strings.HasSuffix(text, below) {
			t.Errorf("%q: %+v, %v:\n%s", line, issue, err, text)
		}
	}
}
