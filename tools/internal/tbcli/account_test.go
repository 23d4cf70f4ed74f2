package tbcli

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/railiance/railiance/tools/internal/shell"
	"github.com/railiance/railiance/tools/internal/tbdeploy"
	"github.com/railiance/railiance/tools/internal/thunderbolt"
)

// The changelogs say what became of a deployment, and of an earlier one that was
// only now brought to its end: nobody else would tell of that.
func TestAccount(t *testing.T) {
	seen := func(what ...string) (d thunderbolt.Diagnosis) {
		for i, w := range what {
			d.Faults = append(d.Faults, thunderbolt.Fault{Kind: thunderbolt.Removed, End: thunderbolt.End{Node: "ebony", Interface: w[:1] + string(rune('0'+i))}, What: w})
		}
		return d
	}
	changes := []tbdeploy.Change{{Path: "/etc/a", What: "changed"}, {Path: "/etc/b", What: "removed"}}
	for name, test := range map[string]struct {
		result  tbdeploy.Result
		why     error
		summary string // empty: nothing is told
		details string
	}{
		"confirmed": {tbdeploy.Result{Outcome: tbdeploy.Confirmed, Changes: changes, Sums: map[string]string{"/etc/a": "abc"}, Before: seen("old"), After: seen("old", "new")}, nil,
			"thunderbolt: deployed to ebony", "changed /etc/a sha256 abc|removed /etc/b|before: old|after: old|after: new"},
		"undone": {tbdeploy.Result{Outcome: tbdeploy.Undone, Changes: changes[:1], Before: seen("old"), After: seen("old", "new")}, errors.New("worse"),
			"thunderbolt: deployed to ebony, and undone", "changed /etc/a|before: old|before it was undone: new|worse"},
		"left by an earlier one": {tbdeploy.Result{Outcome: tbdeploy.Cleared, Earlier: tbdeploy.Confirmed, Changes: changes, Before: seen("old"), After: seen("old")}, errors.New("run again"),
			"thunderbolt: an earlier deployment to ebony, which had not come to its end, is confirmed", "before: old|run again"},
		"refused": {tbdeploy.Result{Outcome: tbdeploy.Refused, Changes: changes}, errors.New("no"), "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			d := deploy{check: check{Shell: &shell.Shell{Now: func() time.Time { return time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC) }}}}
			test.result.Node = "ebony"
			log, page := filepath.Join(dir, "log.json"), filepath.Join(dir, "CHANGELOG.md")
			if err := d.account(t.Context(), log, page, test.result, test.why); err != nil {
				t.Fatal(err)
			}
			if test.summary == "" {
				if all, err := os.ReadDir(dir); err != nil || len(all) > 0 {
					t.Errorf("wrote %v, %v", all, err)
				}
				return
			}
			for path, want := range map[string]string{page: " " + test.summary + " (", log: `"` + strings.ReplaceAll(test.details, "|", `\n`) + `"`} {
				if text, err := os.ReadFile(path); err != nil || !strings.Contains(string(text), want) {
					t.Errorf("%s has\n%s\nand not %s, %v", path, text, want, err)
				}
			}
		})
	}
}
